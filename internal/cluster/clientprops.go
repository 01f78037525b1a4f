package cluster

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ParseProperties reads a Java client.properties, as the --command-config of
// Kafka's own tools, into a Login without a name. Every problem is reported,
// each with file and line; values never are, as they can be secrets.
//
// Keys that do not concern the connection (group.id, serializers, …) are
// ignored. Mechanisms and protocols that are not supported yet, classes to be
// loaded, and references to config providers (${…}) are errors.
func ParseProperties(path string) (Login, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Login{}, fmt.Errorf("reading client properties: %w", err)
	}
	return loginOf(path, data)
}

// The keys that are read (CommonClientConfigs, SaslConfigs, SslConfigs).
const (
	keyBootstrap      = "bootstrap.servers"
	keyClientID       = "client.id"
	keyRequestTimeout = "request.timeout.ms"
	keySetupTimeout   = "socket.connection.setup.timeout.ms"
	keyProtocol       = "security.protocol"
	keyMechanism      = "sasl.mechanism"
	keyJaas           = "sasl.jaas.config"
	keyTrustFile      = "ssl.truststore.location"
	keyTrustPassword  = "ssl.truststore.password" //nolint:gosec // the name of a key, not a password
	keyTrustType      = "ssl.truststore.type"
	keyTrustPEM       = "ssl.truststore.certificates"
	keyStoreFile      = "ssl.keystore.location"
	keyStorePassword  = "ssl.keystore.password" //nolint:gosec // the name of a key, not a password
	keyStoreType      = "ssl.keystore.type"
	keyStoreKey       = "ssl.keystore.key"
	keyStoreChain     = "ssl.keystore.certificate.chain"
	keyKeyPassword    = "ssl.key.password"
	keyIdentification = "ssl.endpoint.identification.algorithm"
	keyProviders      = "config.providers"
)

// classes are keys that load Java code, which would change how we log in.
var classes = []string{
	"sasl.client.callback.handler.class", "sasl.login.callback.handler.class", "sasl.login.class",
	"ssl.engine.factory.class", "security.providers",
}

// reference is what Kafka replaces through a config provider
// (ConfigTransformer).
var reference = regexp.MustCompile(`\$\{[^}]*:[^}]*\}`)

// scheme may stand before a bootstrap address (Utils.HOST_PORT_PATTERN).
var scheme = regexp.MustCompile(`^[A-Za-z0-9_]+://`)

// properties collects values and problems.
type properties struct {
	path  string
	all   map[string]property
	wrong []error
}

func loginOf(path string, data []byte) (Login, error) {
	entries, err := parseProperties(data)
	if err != nil {
		return Login{}, fmt.Errorf("%s: %w", path, err)
	}
	p := &properties{path: path, all: make(map[string]property, len(entries))}
	for _, e := range entries {
		p.all[e.key] = e // the last one counts, as in Java
	}
	p.refuse()
	l := Login{
		Seeds:    p.addresses(),
		ClientID: p.text(keyClientID),
		// Java gives up one connection after this time; here it bounds Open.
		DialTimeout:    p.millis(keySetupTimeout),
		RequestTimeout: p.millis(keyRequestTimeout),
	}
	protocol := strings.ToUpper(strings.TrimSpace(p.text(keyProtocol)))
	switch protocol {
	case "", "PLAINTEXT":
	case "SSL":
		l.Security.TLS = p.tls()
	case "SASL_PLAINTEXT":
		l.Security.SASL = p.sasl()
	case "SASL_SSL":
		l.Security.TLS, l.Security.SASL = p.tls(), p.sasl()
	default:
		p.fault(keyProtocol, fmt.Errorf("%q: %w (supported: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL)", protocol, ErrUnsupported))
	}
	if err := errors.Join(p.wrong...); err != nil {
		return Login{}, err
	}
	return l, nil
}

// fault notes a problem with a key.
func (p *properties) fault(key string, err error) {
	if e, ok := p.all[key]; ok {
		p.wrong = append(p.wrong, fmt.Errorf("%s:%d: %s: %w", p.path, e.line, key, err))
		return
	}
	p.wrong = append(p.wrong, fmt.Errorf("%s: %s: %w", p.path, key, err))
}

// text returns a value; a reference to a config provider is a problem.
func (p *properties) text(key string) string {
	v := p.all[key].value
	if reference.MatchString(v) {
		p.fault(key, fmt.Errorf("a reference to a config provider (${…}): %w; put the value itself there", ErrUnsupported))
		return ""
	}
	return v
}

func (p *properties) secret(key string) Secret { return Secret(p.text(key)) }

func (p *properties) refuse() {
	if p.all[keyProviders].value != "" {
		p.fault(keyProviders, fmt.Errorf("config providers: %w; put the values themselves into the file", ErrUnsupported))
	}
	for _, key := range classes {
		if p.all[key].value != "" {
			p.fault(key, fmt.Errorf("loading a Java class: %w", ErrUnsupported))
		}
	}
}

func (p *properties) addresses() []string {
	var out []string
	for s := range strings.SplitSeq(p.text(keyBootstrap), ",") {
		s = scheme.ReplaceAllString(strings.TrimSpace(s), "")
		if s == "" {
			continue
		}
		if err := checkAddress(s); err != nil {
			p.fault(keyBootstrap, fmt.Errorf("%q: %w", s, err))
			continue
		}
		out = append(out, s)
	}
	return out
}

// millis reads a time in milliseconds; 0 and no value mean the default.
func (p *properties) millis(key string) time.Duration {
	v := strings.TrimSpace(p.text(key))
	if v == "" {
		return 0
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 0 {
		p.fault(key, fmt.Errorf("%q is no number of milliseconds", v))
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

// defaultMechanism is what Kafka takes when sasl.mechanism is not set.
const defaultMechanism = "GSSAPI"

func (p *properties) sasl() *SASL {
	mechanism := strings.TrimSpace(p.text(keyMechanism))
	switch mechanism {
	case Plain, ScramSHA256, ScramSHA512:
	case "":
		p.fault(keyMechanism, fmt.Errorf("not set, so it is %s: %w (supported: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512)", defaultMechanism, ErrUnsupported))
		return nil
	default:
		p.fault(keyMechanism, fmt.Errorf("%q: %w (supported: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512)", mechanism, ErrUnsupported))
		return nil
	}
	config := p.text(keyJaas)
	if config == "" {
		if len(p.wrong) == 0 {
			p.fault(keyJaas, errors.New("it is needed for "+mechanism))
		}
		return nil
	}
	entry, err := parseJaas(config)
	if err == nil {
		var out *SASL
		if out, err = entry.login(mechanism); err == nil {
			return out
		}
	}
	p.fault(keyJaas, err)
	return nil
}

func (p *properties) tls() *TLS {
	t := &TLS{
		Trust: Store{File: p.text(keyTrustFile), Certificates: p.text(keyTrustPEM), Password: p.secret(keyTrustPassword)},
		Key: Store{
			File: p.text(keyStoreFile), Certificates: p.text(keyStoreChain), PrivateKey: p.secret(keyStoreKey),
			Password: p.secret(keyStorePassword), KeyPassword: p.secret(keyKeyPassword),
		},
	}
	p.store(&t.Trust, keyTrustType, keyTrustFile, keyTrustPEM)
	p.store(&t.Key, keyStoreType, keyStoreFile, keyStoreChain)
	if (t.Key.Certificates == "") != (t.Key.PrivateKey == "") {
		p.fault(keyStoreKey, fmt.Errorf("it and %s must be given together", keyStoreChain))
	}
	if e, set := p.all[keyIdentification]; set {
		switch strings.ToLower(strings.TrimSpace(e.value)) {
		case "":
			t.AnyHost = true
		case "https":
		default:
			p.fault(keyIdentification, fmt.Errorf("%q: %w (supported: https, or nothing for no check)", e.value, ErrUnsupported))
		}
	}
	return t
}

// store checks one store; one without content is none at all.
func (p *properties) store(s *Store, typeKey, fileKey, textKey string) {
	if s.File == "" && s.Certificates == "" && s.PrivateKey == "" {
		*s = Store{}
		return
	}
	s.Type = strings.ToUpper(strings.TrimSpace(p.text(typeKey)))
	switch s.Type {
	case "", PEM, JKS, PKCS12:
	default:
		p.fault(typeKey, fmt.Errorf("%q: %w (supported: PEM, JKS, PKCS12)", s.Type, ErrUnsupported))
	}
	if s.File != "" && s.Certificates != "" {
		p.fault(textKey, fmt.Errorf("it and %s exclude each other", fileKey))
	}
	if s.Certificates != "" && s.Type != PEM && s.Type != "" {
		p.fault(typeKey, fmt.Errorf("it must be PEM for %s", textKey))
	}
}
