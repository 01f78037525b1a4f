package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/spec"
)

// loadConfig reads the config file once.
func (f *Factory) loadConfig() (*spec.Loaded, error) {
	if f.config != nil {
		return f.config, nil
	}
	loaded, err := spec.Load(&spec.LoadOptions{Path: f.configPath, Getenv: f.streams.env})
	if err != nil {
		return nil, err
	}
	f.warn(loaded.Warnings)
	f.config = loaded
	return loaded, nil
}

// parallel is the number of groups that are written to at a time.
func (f *Factory) parallel(w *writeFlags) (int, error) {
	if w.concurrent > 0 {
		return int(w.concurrent), nil
	}
	cfg, err := f.loadConfig()
	if err != nil {
		return 0, err
	}
	return cfg.Config.Defaults.Parallel, nil
}

// warn shows warnings about files that people wrote.
func (f *Factory) warn(ps []spec.Problem) {
	for _, p := range ps {
		f.remark("warning: %s", clean(fmt.Sprint(p)))
	}
}

// namedCluster finds a cluster of the config file.
func (f *Factory) namedCluster(flag, name string) (api.Cluster, error) {
	cfg, err := f.loadConfig()
	if err != nil {
		return api.Cluster{}, err
	}
	c, err := cfg.Cluster(name)
	var unknown *spec.UnknownClusterError
	if !errors.As(err, &unknown) {
		return c, err
	}
	u := &usageError{err: errors.New(flag + " " + name + ": the configuration has no such cluster"), hint: didYouMean(unknown.Near)}
	switch {
	case u.hint != "":
	case unknown.Known == 0:
		u.hint = "no cluster is configured (see 'kferry config view'); an address is written HOST:PORT"
	default:
		u.hint = "'kferry cluster list' shows the names; an address is written HOST:PORT"
	}
	return api.Cluster{}, u
}

// login turns what the config file or the flags say of a cluster into a login.
// Secrets are fetched now, as late as possible.
func (f *Factory) login(ctx context.Context, c api.Cluster) (cluster.Login, error) {
	l := cluster.Login{Name: c.Name, Seeds: c.Bootstrap}
	if c.CommandConfig != "" {
		p, err := cluster.ParseProperties(c.CommandConfig)
		if err != nil {
			return l, err
		}
		p.Name, p.Seeds = c.Name, c.Bootstrap
		return p, nil
	}
	s := c.Security
	if s == nil {
		return l, nil
	}
	if s.Protocol == api.ProtocolSSL || s.Protocol == api.ProtocolSASLSSL {
		l.Security.TLS = &cluster.TLS{}
		if t := s.TLS; t != nil {
			l.Security.TLS = &cluster.TLS{AnyHost: t.InsecureSkipHostnameCheck}
			if t.CA != "" {
				l.Security.TLS.Trust = cluster.Store{File: t.CA}
			}
			if t.Cert != "" {
				l.Security.TLS.Key = cluster.Store{File: t.Cert, KeyFile: t.Key}
			}
		}
	}
	if s.SASLMechanism == "" {
		return l, nil
	}
	l.Security.SASL = &cluster.SASL{Mechanism: s.SASLMechanism, User: s.Username}
	if s.PasswordFrom != nil {
		secret, warnings, err := spec.Resolve(ctx, *s.PasswordFrom, &spec.SecretOptions{Stderr: f.stderr()})
		if err != nil {
			return l, err
		}
		f.warn(warnings)
		l.Security.SASL.Password = cluster.Secret(secret.Reveal())
	}
	return l, nil
}
