package connectivity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// soon is how long before its end a certificate is worth a word.
const soon = 14 * 24 * time.Hour

// trusted describes a certificate that was accepted. Who signed it is said even
// then: behind a proxy that reads along it is the proxy's owner.
func trusted(cert *x509.Certificate, now time.Time) Check {
	c := Check{
		Name: CheckTLS, OK: true,
		Message: fmt.Sprintf("the certificate is signed by %s and good until %s", issuer(cert), day(cert.NotAfter)),
	}
	if left := cert.NotAfter.Sub(now); left < soon {
		c.Message += fmt.Sprintf(": %d days are left", int(left.Hours()/24))
		c.Fix = "have it renewed before that"
	}
	return c
}

// certificate words why there is no TLS connection; false when that was not
// the reason.
func (x *examination) certificate(err error) (Check, bool) {
	c := Check{Name: CheckTLS}
	var refused *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &refused) && len(refused.UnverifiedCertificates) > 0:
		x.refused(&c, refused.UnverifiedCertificates[0], refused.Err)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		c.Message = "what answers at " + x.url.Host + " does not speak TLS"
		c.Fix = "check the port; a control plane on this machine may be http://"
	case errors.As(err, &alert), strings.Contains(err.Error(), "tls: "):
		c.Message = "no TLS connection: " + reason(err)
		c.Fix = "ask the operator which versions of TLS the control plane speaks; this program wants 1.2 or newer"
	default:
		return c, false
	}
	return c, true
}

// refused says what is wrong with a certificate and, always, who signed it.
func (x *examination) refused(c *Check, cert *x509.Certificate, why error) {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	now := time.Now()
	switch {
	case errors.As(why, &invalid) && invalid.Reason == x509.Expired && now.Before(cert.NotBefore):
		c.Message = fmt.Sprintf("the certificate is not valid before %s, and this host's clock says %s (signed by %s)",
			day(cert.NotBefore), moment(now), issuer(cert))
		c.Fix, c.Command = "if the clock of this host is wrong, set it", x.e.clockCommand()
	case errors.As(why, &invalid) && invalid.Reason == x509.Expired:
		c.Message = fmt.Sprintf("the certificate expired on %s; this host's clock says %s (signed by %s)",
			day(cert.NotAfter), moment(now), issuer(cert))
		c.Fix, c.Command = "have it renewed; or if the clock of this host is wrong, set it", x.e.clockCommand()
	case errors.As(why, &name):
		c.Message = fmt.Sprintf("the certificate is for %s, not for %s (signed by %s)", names(cert), x.url.Hostname(), issuer(cert))
		c.Fix = "use the name that the certificate is for, or have one issued for this name; a network that wants you to sign in shows its own, too"
	case errors.As(why, &authority) && cert.Issuer.String() == cert.Subject.String():
		c.Message = fmt.Sprintf("the certificate is self-signed by %s, which this host does not trust", issuer(cert))
		c.Fix, c.Command = "if it is yours, have this host trust it", x.e.trustCommand()
	case errors.As(why, &authority):
		c.Message = fmt.Sprintf("the certificate is signed by %s, which this host does not trust", issuer(cert))
		c.Fix = "if that is a proxy of your network which reads along, have this host trust its certificate; otherwise somebody is in between: do not connect"
		c.Command = x.e.trustCommand()
	default:
		c.Message = fmt.Sprintf("the certificate, signed by %s, is refused: %v", issuer(cert), why)
		c.Fix = "have a proper one issued for the control plane"
	}
}

func (e *Examiner) trustCommand() string {
	switch e.GOOS {
	case "windows":
		return "certutil -addstore Root ca.crt"
	case "darwin":
		return "sudo security add-trusted-cert -d -k /Library/Keychains/System.keychain ca.crt"
	default:
		return "sudo cp ca.crt /usr/local/share/ca-certificates/ && sudo update-ca-certificates"
	}
}

// issuer names who signed, as people know them.
func issuer(cert *x509.Certificate) string {
	from := cert.Issuer
	switch {
	case from.CommonName != "" && len(from.Organization) > 0 && from.Organization[0] != from.CommonName:
		return fmt.Sprintf("%q of %q", from.CommonName, from.Organization[0])
	case from.CommonName != "":
		return fmt.Sprintf("%q", from.CommonName)
	case len(from.Organization) > 0:
		return fmt.Sprintf("%q", from.Organization[0])
	default:
		return "somebody without a name"
	}
}

// names lists whom a certificate is for.
func names(cert *x509.Certificate) string {
	all := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "nobody"
	}
	if len(all) > 3 {
		all = append(all[:3], fmt.Sprintf("%d more", len(all)-3))
	}
	return strings.Join(all, ", ")
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
