package upgrade

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/internal/atomicfile"
	"pipedai/manifest"
)

// NPM is how packages of Node are installed: with npm, into a private folder,
// and never globally.
type NPM struct {
	// Packages are the packages of programs; nil means WorkerPackage for
	// pipedai-worker, and none for others.
	Packages map[string]string
	// Registry is the URL of the registry; "" is npm's own setting.
	Registry string
	// AllowScripts lets packages run their install scripts. Without it they are
	// files and nothing more until their program is started.
	AllowScripts bool
	// Limit bounds one run of npm; 0 means ten minutes.
	Limit time.Duration
	// Env wins over the environment of this process for npm.
	Env []string
}

// WorkerPackage is the package of the worker program.
const WorkerPackage = "@pipedai/worker"

func (n *NPM) defaults() {
	if n.Packages == nil {
		n.Packages = map[string]string{api.ProgramWorker: WorkerPackage}
	}
	if n.Limit == 0 {
		n.Limit = 10 * time.Minute
	}
}

// npmOutput bounds what is kept of what npm says.
const npmOutput = 64 << 10

// packageName is the name of a package of a registry, and of nothing else: no
// path, no URL, no alias, nothing a shell or npm itself would read otherwise.
var packageName = regexp.MustCompile(`^(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*$`)

// CheckPackage refuses names that npm would take for a path, a URL, an alias or
// an option.
func CheckPackage(name string) error {
	if len(name) > 214 || !packageName.MatchString(name) || strings.Contains(name, "..") {
		return invalid("%.80q is not the name of a package, such as worker or @scope/worker", name)
	}
	return nil
}

// tool finds npm or node, and says what is missing.
func tool(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return filepath.Abs(path)
	}
	return "", &api.Error{Status: http.StatusConflict, Code: api.CodeInstaller, Message: fmt.Sprintf("%s was not found: packages of Node cannot be installed on this host", name),
		Fix: "install Node.js, which brings " + name + ", and see that it is on the PATH of the daemon"}
}

// findPackage decides on an exact version of a package.
func (u *Upgrader) findPackage(ctx context.Context, f Found) (Found, error) {
	name, known := u.o.NPM.Packages[f.Program]
	if !known {
		return Found{}, invalid("no package is known for the program %s", f.Program)
	}
	if err := CheckPackage(name); err != nil {
		return Found{}, err
	}
	if _, err := tool("node"); err != nil {
		return Found{}, err
	}
	if f.Version == "" {
		out, err := u.npm(ctx, u.o.Dir, "view", "--json", name+"@latest", "version")
		if err != nil {
			return Found{}, err
		}
		if err := json.Unmarshal([]byte(out.stdout), &f.Version); err != nil {
			return Found{}, installerFailed(fmt.Sprintf("the registry does not say which version of %s is the newest", name))
		}
		if err := checkVersion(f.Version); err != nil {
			return Found{}, err
		}
	}
	f.Kind, f.Channel = manifest.InstallNPM, ""
	have, installed := u.intact(ctx, f.Program, f.Version)
	f.Installed = installed && have.Kind == manifest.InstallNPM
	return f, u.stepBack(f)
}

func installerFailed(message string) error {
	return &api.Error{Status: http.StatusBadGateway, Code: api.CodeInstaller, Message: message}
}

// npm runs npm with nothing of its own left to chance.
func (u *Upgrader) npm(ctx context.Context, dir string, args ...string) (output, error) {
	if err := u.makeFolder(u.o.Dir); err != nil {
		return output{}, err
	}
	program, err := tool("npm")
	if err != nil {
		return output{}, err
	}
	all := append([]string(nil), args...)
	all = append(all, "--no-audit", "--no-fund", "--no-update-notifier", "--global=false", "--workspaces=false")
	if !u.o.NPM.AllowScripts {
		all = append(all, "--ignore-scripts")
	}
	if u.o.NPM.Registry != "" {
		all = append(all, "--registry="+u.o.NPM.Registry)
	}
	out, err := run(ctx, command{path: program, args: all, dir: dir, env: u.o.NPM.Env, limit: u.o.NPM.Limit, keep: npmOutput})
	switch {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		return out, fmt.Errorf("npm %s: %w", args[0], context.Cause(ctx))
	case errors.Is(err, errTooLong):
		return out, &api.Error{Status: http.StatusGatewayTimeout, Code: api.CodeTimeout, Message: fmt.Sprintf("npm %s: %v", args[0], err)}
	}
	return out, installerFailed(fmt.Sprintf("npm %s: %v", args[0], err))
}

// stagePackage installs an exact version of a package of the registry.
func (u *Upgrader) stagePackage(ctx context.Context, f Found, temp string) (staged, error) {
	name := u.o.NPM.Packages[f.Program]
	s, err := u.installPackage(ctx, f, temp, name, name+"@"+f.Version)
	if err != nil {
		return staged{}, err
	}
	if s.reports != f.Version {
		return staged{}, broken("the registry was asked for %s %s and brought %s", name, f.Version, s.reports)
	}
	s.version, s.source = f.Version, name
	return s, nil
}

// installPackage has npm install one package into a folder of its own and finds
// its program. what is a name with a version, or the path of a packed package.
func (u *Upgrader) installPackage(ctx context.Context, f Found, temp, name, what string) (staged, error) {
	node, err := tool("node")
	if err != nil {
		return staged{}, err
	}
	folder := filepath.Join(temp, "tree")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return staged{}, fmt.Errorf("make a folder for the package: %w", err)
	}
	// With a package.json of its own npm does not look for one further up.
	if err := atomicfile.Write(filepath.Join(folder, "package.json"), []byte(`{"name":"installed","private":true}`+"\n"), 0o600); err != nil {
		return staged{}, err
	}
	if _, err := u.npm(ctx, folder, "install", "--prefix", folder, "--cache", filepath.Join(temp, "cache"), "--no-save", "--no-package-lock",
		"--omit=dev", "--install-links", "--prefer-online", what); err != nil {
		return staged{}, err
	}
	pkg, err := readPackage(filepath.Join(folder, "node_modules", filepath.FromSlash(name)))
	if err != nil {
		return staged{}, err
	}
	script, err := pkg.program(f.Program)
	if err != nil {
		return staged{}, err
	}
	inside := path.Join("node_modules", name, script)
	launcher, text := launcher(f.Program, u.o.goos, node, inside)
	if err := atomicfile.Write(filepath.Join(folder, launcher), []byte(text), 0o500); err != nil {
		return staged{}, err
	}
	if err := ownLinks(folder); err != nil {
		return staged{}, err
	}
	t, err := readTree(folder)
	if err != nil {
		return staged{}, err
	}
	sum, _, err := sumFile(filepath.Join(folder, filepath.FromSlash(inside)))
	if err != nil {
		return staged{}, badArchive("the package %s has no file %s, which it names as its program", name, script)
	}
	return staged{folder: folder, program: launcher, reports: pkg.Version, sha256: hex.EncodeToString(sum), tree: t}, nil
}

// launcher is a small program that starts the script of a package. It becomes
// node itself, so that a supervisor has one process, and it finds the script
// beside itself, wherever the folder is.
func launcher(program, goos, node, script string) (name, text string) {
	if goos == "windows" {
		return program + ".cmd", "@echo off\r\n\"" + node + "\" \"%~dp0" + strings.ReplaceAll(script, "/", `\`) + "\" %*\r\n"
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	return program, "#!/bin/sh\n" +
		"node=" + quote(node) + "\n" +
		"[ -x \"$node\" ] || node=node # it was moved since\n" +
		"exec \"$node\" \"${0%/*}\"/" + quote(script) + " \"$@\"\n"
}

// nodePackage is what we read of a package.json.
type nodePackage struct {
	Name    string          `json:"name"`
	Version string          `json:"version"`
	Bin     json.RawMessage `json:"bin"`
}

func readPackage(folder string) (nodePackage, error) {
	var p nodePackage
	data, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err != nil {
		return p, fmt.Errorf("read the package: %w", err)
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, badArchive("the package.json in %s is damaged: %v", folder, err)
	}
	if err := CheckPackage(p.Name); err != nil {
		return p, err
	}
	return p, checkVersion(p.Version)
}

// program is the slash path of the script that a package calls program, below
// its folder.
func (p nodePackage) program(program string) (string, error) {
	var script string
	var several map[string]string
	if err := json.Unmarshal(p.Bin, &script); err != nil {
		_ = json.Unmarshal(p.Bin, &several) // neither: it has none
		script = several[program]
		if script == "" && len(several) == 1 {
			for _, only := range several {
				script = only
			}
		}
	}
	script = path.Clean(cmp.Or(script, "/"))
	if !filepath.IsLocal(script) || script == "." || strings.Contains(script, `\`) {
		return "", badArchive("the package %s %s has no program %s", p.Name, p.Version, program)
	}
	return script, nil
}

// ownLinks refuses links that lead out of the folder: what they lead to is not
// what was installed.
func ownLinks(folder string) error {
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return err
	}
	return walk(folder, func(path, slash string, info os.FileInfo) error {
		if info.Mode()&os.ModeSymlink == 0 {
			return nil
		}
		target, err := filepath.EvalSymlinks(path)
		if err == nil {
			target, err = filepath.Rel(real, target)
		}
		if err != nil || !filepath.IsLocal(target) {
			return badArchive("%s in the package leads out of it", slash)
		}
		return nil
	})
}
