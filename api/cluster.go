package api

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Validate reports everything that is wrong.
func (c *Cluster) Validate() []Problem {
	var ps []Problem
	switch {
	case c.Name == "":
		ps = append(ps, Problem{Path: "name", Message: "the cluster has no name", Hint: "name: production"})
	case !nameOK(c.Name):
		ps = append(ps, Problem{
			Path:    "name",
			Message: fmt.Sprintf("%q cannot be the name of a cluster", c.Name),
			Hint:    "letters, digits, '.', '_' and '-', at most 100, beginning with a letter or a digit: --from must be able to tell it from HOST:PORT",
		})
	}
	if len(c.Bootstrap) == 0 {
		ps = append(ps, Problem{
			Path:    "bootstrap",
			Message: "the cluster has no address",
			Hint:    `bootstrap: ["broker-1:9092"]`,
		})
	}
	for i, a := range c.Bootstrap {
		if msg, hint := checkAddress(a); msg != "" {
			ps = append(ps, Problem{Path: fmt.Sprintf("bootstrap[%d]", i), Message: msg, Hint: hint})
		}
	}
	if c.Security == nil {
		return ps
	}
	if c.CommandConfig != "" {
		ps = append(ps, Problem{
			Path:    "security",
			Message: "commandConfig and security exclude each other",
			Hint:    "the login stands in one place: leave one of the two out",
		})
	}
	return append(ps, join("security", c.Security.Validate())...)
}

// Validate reports everything that is wrong.
func (s *Security) Validate() []Problem {
	var ps []Problem
	protocols := []string{ProtocolPlaintext, ProtocolSSL, ProtocolSASLPlaintext, ProtocolSASLSSL}
	known := slices.Contains(protocols, s.Protocol)
	if !known {
		ps = append(ps, notOneOf("protocol", s.Protocol, protocols))
	}
	sasl := s.Protocol == ProtocolSASLPlaintext || s.Protocol == ProtocolSASLSSL
	encrypted := s.Protocol == ProtocolSSL || s.Protocol == ProtocolSASLSSL
	if sasl {
		ps = append(ps, s.needSASL()...)
	} else if known {
		ps = append(ps, s.refuseSASL()...)
	}
	if s.PasswordFrom != nil {
		ps = append(ps, join("passwordFrom", s.PasswordFrom.Validate())...)
	}
	if s.TLS == nil {
		return ps
	}
	if known && !encrypted {
		ps = append(ps, Problem{
			Path:    "tls",
			Message: "protocol " + s.Protocol + " does not use TLS",
			Hint:    "protocol: SSL, or SASL_SSL with a user name",
		})
	}
	return append(ps, join("tls", s.TLS.Validate())...)
}

func (s *Security) needSASL() []Problem {
	var ps []Problem
	if mechanisms := []string{MechanismPlain, MechanismScramSHA256, MechanismScramSHA512}; !slices.Contains(mechanisms, s.SASLMechanism) {
		ps = append(ps, notOneOf("saslMechanism", s.SASLMechanism, mechanisms))
	}
	if s.Username == "" {
		ps = append(ps, Problem{Path: "username", Message: "protocol " + s.Protocol + " needs a user name"})
	}
	if s.PasswordFrom == nil {
		ps = append(ps, Problem{
			Path:    "passwordFrom",
			Message: "protocol " + s.Protocol + " needs a password",
			Hint:    "passwordFrom: {file: PATH}, {env: NAME} or {exec: [PROGRAM, ARGUMENT]}",
		})
	}
	return ps
}

func (s *Security) refuseSASL() []Problem {
	var ps []Problem
	refuse := func(set bool, path string) {
		if set {
			ps = append(ps, Problem{
				Path:    path,
				Message: "protocol " + s.Protocol + " does not use SASL",
				Hint:    "protocol: SASL_SSL, or SASL_PLAINTEXT where nothing is encrypted",
			})
		}
	}
	refuse(s.SASLMechanism != "", "saslMechanism")
	refuse(s.Username != "", "username")
	refuse(s.PasswordFrom != nil, "passwordFrom")
	return ps
}

// Validate reports everything that is wrong.
func (t *TLS) Validate() []Problem {
	switch {
	case t.Cert != "" && t.Key == "":
		return []Problem{{Path: "key", Message: "cert needs key", Hint: "the private key of the certificate, as PEM"}}
	case t.Key != "" && t.Cert == "":
		return []Problem{{Path: "cert", Message: "key needs cert", Hint: "the certificate of the private key, as PEM"}}
	}
	return nil
}

// Validate reports everything that is wrong.
func (r *SecretRef) Validate() []Problem {
	var ps []Problem
	given := make([]string, 0, 3)
	if r.File != "" {
		given = append(given, "file")
	}
	if r.Env != "" {
		given = append(given, "env")
	}
	if len(r.Exec) > 0 {
		given = append(given, "exec")
	}
	if len(given) != 1 {
		p := Problem{Message: "one of file, env and exec is needed"}
		if len(given) > 1 {
			p.Message = strings.Join(given, " and ") + " exclude each other"
			p.Hint = "the secret stands in one place"
		}
		ps = append(ps, p)
	}
	if strings.ContainsAny(r.Env, "=\x00") {
		ps = append(ps, Problem{Path: "env", Message: "an environment variable has no such name"})
	}
	if len(r.Exec) > 0 && r.Exec[0] == "" {
		ps = append(ps, Problem{Path: "exec[0]", Message: "the program has no name"})
	}
	switch {
	case r.Timeout < 0:
		ps = append(ps, Problem{Path: "timeout", Message: fmt.Sprintf("%s is negative", r.Timeout)})
	case r.Timeout != 0 && len(r.Exec) == 0:
		ps = append(ps, Problem{Path: "timeout", Message: "timeout is for exec only"})
	}
	return ps
}

func notOneOf(path, got string, want []string) Problem {
	list := strings.Join(want, ", ")
	if got == "" {
		return Problem{Path: path, Message: path + " is needed", Hint: "one of " + list}
	}
	p := Problem{Path: path, Message: fmt.Sprintf("%q is not one of %s", got, list)}
	for _, w := range want {
		if strings.EqualFold(strings.ReplaceAll(got, "-", "_"), strings.ReplaceAll(w, "-", "_")) {
			p.Hint = "did you mean " + w + "?"
		}
	}
	return p
}

func nameOK(s string) bool {
	if len(s) > 100 || strings.ContainsRune("._-", rune(s[0])) {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
		default:
			return false
		}
	}
	return true
}

// checkAddress returns what is wrong with a HOST:PORT, and "" if nothing is.
func checkAddress(a string) (msg, hint string) {
	switch {
	case strings.Contains(a, "://"):
		return fmt.Sprintf("%q has a scheme", a), "only HOST:PORT; the protocol stands under security"
	case strings.Contains(a, ","):
		return fmt.Sprintf("%q has a comma", a), "one address for each item of the list"
	}
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		return fmt.Sprintf("%q is not HOST:PORT", a), "such as broker-1:9092, or [2001:db8::1]:9092"
	}
	if host == "" || strings.ContainsAny(host, " \t\r\n/@") {
		return fmt.Sprintf("%q has no valid host", a), "such as broker-1:9092"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Sprintf("%q has no valid port", a), "a number from 1 to 65535"
	}
	return "", ""
}
