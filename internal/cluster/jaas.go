package cluster

import (
	"errors"
	"fmt"
	"strings"
)

// jaasEntry is a sasl.jaas.config: one login module and its options.
type jaasEntry struct {
	module  string
	options map[string]Secret
}

var errJaas = errors.New(`it must read: MODULE required username="…" password="…";`)

// parseJaas reads what Kafka's JaasConfig takes: module, flag, options with
// quoted values, and a semicolon. Errors never show the text, which holds a
// password.
func parseJaas(s string) (jaasEntry, error) {
	tokens, err := jaasTokens(s)
	if err != nil {
		return jaasEntry{}, err
	}
	if n := len(tokens); n > 0 && tokens[n-1].is(";") {
		tokens = tokens[:n-1]
	}
	if len(tokens) < 2 || tokens[0].symbol || tokens[1].symbol {
		return jaasEntry{}, errJaas
	}
	out := jaasEntry{module: tokens[0].text, options: map[string]Secret{}}
	for rest := tokens[2:]; len(rest) > 0; rest = rest[3:] {
		if rest[0].is(";") {
			return jaasEntry{}, errors.New("it must have one login module and has more")
		}
		if len(rest) < 3 || rest[0].symbol || !rest[1].is("=") || rest[2].symbol {
			return jaasEntry{}, errJaas
		}
		out.options[rest[0].text] = Secret(rest[2].text)
	}
	return out, nil
}

type jaasToken struct {
	text   string
	symbol bool // = or ;, outside of quotes
}

func (t jaasToken) is(s string) bool { return t.symbol && t.text == s }

// jaasTokens splits as the StreamTokenizer of JaasConfig does: words, quoted
// strings with " or ', and comments with // and /* */.
func jaasTokens(s string) ([]jaasToken, error) {
	var out []jaasToken
	for i := 0; i < len(s); {
		switch ch := s[i]; {
		case ch <= ' ':
			i++
		case ch == '=' || ch == ';':
			out = append(out, jaasToken{text: string(ch), symbol: true})
			i++
		case ch == '"' || ch == '\'':
			text, n, err := jaasQuoted(s[i:])
			if err != nil {
				return nil, err
			}
			out = append(out, jaasToken{text: text})
			i += n
		case strings.HasPrefix(s[i:], "//"):
			n := strings.IndexByte(s[i:], '\n')
			if n < 0 {
				return out, nil
			}
			i += n
		case strings.HasPrefix(s[i:], "/*"):
			n := strings.Index(s[i:], "*/")
			if n < 0 {
				return nil, errors.New("a comment is not closed")
			}
			i += n + 2
		default:
			n := strings.IndexAny(s[i:], " \t\r\n\f=;\"'")
			if n < 0 {
				n = len(s) - i
			}
			// Control characters that IndexAny does not name are words too.
			n = max(n, 1)
			out = append(out, jaasToken{text: s[i : i+n]})
			i += n
		}
	}
	return out, nil
}

// jaasQuoted reads a quoted string at the front of s and says how long it was.
func jaasQuoted(s string) (text string, n int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case s[0]:
			return b.String(), i + 1, nil
		case '\n', '\r':
			return "", 0, errors.New("a quoted value is not closed on its line")
		case '\\':
			ch, used := jaasEscape(s[i+1:])
			b.WriteString(ch)
			i += used
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, errors.New("a quoted value is not closed")
}

// jaasEscape reads what follows a backslash: a letter of C, up to three octal
// digits, or any character for itself.
func jaasEscape(s string) (string, int) {
	if s == "" {
		return "", 0
	}
	if i := strings.IndexByte("abfnrtv", s[0]); i >= 0 {
		return "\a\b\f\n\r\t\v"[i : i+1], 1
	}
	if s[0] < '0' || s[0] > '7' {
		return s[:1], 1
	}
	limit := 2
	if s[0] <= '3' {
		limit = 3
	}
	n, used := rune(0), 0
	for used < limit && used < len(s) && s[used] >= '0' && s[used] <= '7' {
		n = n*8 + rune(s[used]-'0')
		used++
	}
	return string(n), used
}

// login turns a JAAS entry into a login with the mechanism.
func (e jaasEntry) login(mechanism string) (*SASL, error) {
	name := e.module[strings.LastIndexByte(e.module, '.')+1:]
	want := ""
	switch name {
	case "PlainLoginModule":
		want = Plain
	case "ScramLoginModule":
		want = "SCRAM"
	default:
		return nil, fmt.Errorf("login module %q: %w (supported: PlainLoginModule, ScramLoginModule)", e.module, ErrUnsupported)
	}
	if !strings.HasPrefix(mechanism, want) {
		return nil, fmt.Errorf("login module %s does not go with sasl.mechanism %s", name, mechanism)
	}
	if v := e.options["tokenauth"]; strings.EqualFold(v.Reveal(), "true") {
		return nil, fmt.Errorf("delegation tokens (tokenauth): %w", ErrUnsupported)
	}
	user, okUser := e.options["username"]
	password, okPassword := e.options["password"]
	if !okUser || !okPassword {
		return nil, errors.New("it needs a username and a password")
	}
	return &SASL{Mechanism: mechanism, User: user.Reveal(), Password: password}, nil
}
