package spec

import (
	"path/filepath"
	"strings"

	"github.com/kferry/kferry/api"
)

// resolver makes the paths of a file mean the same wherever kferry is started.
type resolver struct{ dir, home string }

// path makes p absolute; "~/" is the home folder.
func (r resolver) path(p *string) {
	if *p == "" {
		return
	}
	if rest, ok := strings.CutPrefix(*p, "~/"); ok && r.home != "" {
		*p = filepath.Join(r.home, rest)
	}
	if !filepath.IsAbs(*p) {
		*p = filepath.Join(r.dir, *p)
	}
}

func (r resolver) config(c *api.Config) {
	if c.State != "" && !strings.Contains(c.State, ":") {
		r.path(&c.State)
	}
	for i := range c.Clusters {
		r.path(&c.Clusters[i].CommandConfig)
		if s := c.Clusters[i].Security; s != nil {
			r.security(s)
		}
	}
}

func (r resolver) security(s *api.Security) {
	if s.TLS != nil {
		r.path(&s.TLS.CA)
		r.path(&s.TLS.Cert)
		r.path(&s.TLS.Key)
	}
	if s.PasswordFrom != nil {
		r.secret(s.PasswordFrom)
	}
}

func (r resolver) secret(ref *api.SecretRef) {
	r.path(&ref.File)
	r.program(ref.Exec)
}

// program resolves the first of a program and its arguments. One without a
// slash is looked for in $PATH.
func (r resolver) program(argv []string) {
	if len(argv) > 0 && strings.Contains(argv[0], "/") {
		r.path(&argv[0])
	}
}

func (r resolver) migration(m *api.Migration) {
	for i := range m.Events {
		e := &m.Events[i]
		r.program(e.Command)
		if e.Webhook != nil && e.Webhook.TokenFrom != nil {
			r.secret(e.Webhook.TokenFrom)
		}
	}
}
