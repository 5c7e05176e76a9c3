package osservice

import (
	"bytes"
	"fmt"
	"text/template"

	"pipedai/templates"
)

// Render returns the text that a service manager reads. Windows itself reads
// none; see describe.
func Render(kind Kind, u Unit) (string, error) {
	if err := u.validate(); err != nil {
		return "", err
	}
	switch kind {
	case Systemd, SystemdUser:
		system := kind == Systemd
		wantedBy := "default.target"
		if system {
			wantedBy = "multi-user.target"
		}
		return fill("systemd.service", map[string]any{
			"Name": kind.Name(), "Mark": u.mark(), "System": system, "Manager": kind, "User": u.User, "WantedBy": wantedBy,
			"Command": systemdCommand(u.Program, u.arguments(kind)), "PathSetting": systemdSetting("PATH", u.Path),
			"StopSeconds": int(u.stopWait().Seconds()), "Subgroup": u.Subgroup,
		})
	case Launchd:
		var args []string
		for _, arg := range append([]string{u.Program}, u.arguments(kind)...) {
			args = append(args, xmlText(arg))
		}
		return fill("launchd.plist", map[string]any{
			"Name": kind.Name(), "Mark": u.mark(), "Manager": kind, "Arguments": args, "Path": xmlText(u.Path),
			"WorkingDirectory": xmlText(u.UserHome), "Log": xmlText(u.Log), "StopSeconds": int(u.stopWait().Seconds()),
		})
	case NSSM:
		return renderNSSM(u)
	default:
		return "", fmt.Errorf("there is no unit for %q", kind)
	}
}

func renderNSSM(u Unit) (string, error) {
	program, err := batchWord(u.Program)
	if err != nil {
		return "", err
	}
	parameters, err := batchParameters(u.arguments(NSSM))
	if err != nil {
		return "", err
	}
	path, err := batchWord("PATH=" + u.Path)
	if err != nil {
		return "", err
	}
	log, err := batchWord(u.Log)
	if err != nil {
		return "", err
	}
	return fill("nssm.bat", map[string]any{
		"Name": NSSM.Name(), "Mark": u.mark(), "Manager": NSSM, "Program": program, "Parameters": parameters,
		"PathSetting": path, "Log": log, "StopMilliseconds": u.stopWait().Milliseconds(),
	})
}

// fill fills a template whose values are quoted already.
func fill(name string, values map[string]any) (string, error) {
	t, err := template.New(name).Option("missingkey=error").ParseFS(templates.Service(), name)
	if err != nil {
		return "", fmt.Errorf("read the unit's template: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return "", fmt.Errorf("write the unit: %w", err)
	}
	return out.String(), nil
}

// Describe tells what Windows is told, which has no file for it.
func Describe(u Unit) string {
	return fmt.Sprintf("service    %s\nprogram    %s\narguments  %q\nstart      at boot\nrestart    1 s after any end but a stop\nPATH       %s\n",
		Windows.Name(), u.Program, u.arguments(Windows), u.Path)
}
