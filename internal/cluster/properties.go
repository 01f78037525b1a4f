package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// property is one entry of a properties file.
type property struct {
	key, value string
	line       int // where it begins, from 1
}

// parseProperties reads the format of java.util.Properties.load(InputStream),
// which is what Kafka's tools read with: ISO 8859-1 bytes, comments with # and
// !, continuation lines, keys ended by =, : or white space, and escapes.
func parseProperties(data []byte) ([]property, error) {
	var out []property
	for _, l := range logicalLines(data) {
		p, err := splitProperty(l.text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", l.number, err)
		}
		p.line = l.number
		out = append(out, p)
	}
	return out, nil
}

type logicalLine struct {
	text   string // bytes, escapes still in it
	number int
}

// logicalLines joins continuation lines and drops blank and comment lines. A
// comment cannot be continued.
func logicalLines(data []byte) []logicalLine {
	var out []logicalLine
	var open *logicalLine
	for i, text := range naturalLines(data) {
		text = strings.TrimLeft(text, " \t\f")
		if open == nil {
			if text == "" || text[0] == '#' || text[0] == '!' {
				continue
			}
			open = &logicalLine{number: i + 1}
		}
		slashes := len(text) - len(strings.TrimRight(text, `\`))
		if slashes%2 == 1 {
			open.text += text[:len(text)-1]
			continue
		}
		open.text += text
		out = append(out, *open)
		open = nil
	}
	if open != nil { // the file ends with a backslash
		out = append(out, *open)
	}
	return out
}

// naturalLines splits at \n, \r and \r\n.
func naturalLines(data []byte) []string {
	s := strings.ReplaceAll(string(data), "\r\n", "\n")
	return strings.Split(strings.ReplaceAll(s, "\r", "\n"), "\n")
}

func splitProperty(line string) (property, error) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(line[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	key, err := unescape(line[:end])
	if err != nil {
		return property{}, err
	}
	value, err := unescape(rest)
	if err != nil {
		return property{}, fmt.Errorf("value of %q: %w", key, err)
	}
	return property{key: key, value: value}, nil
}

// unescape turns ISO 8859-1 bytes with Java's escapes into text.
func unescape(s string) (string, error) {
	units := make([]uint16, 0, len(s)) // Java's strings are UTF-16
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			units = append(units, uint16(s[i]))
			continue
		}
		i++
		if i == len(s) {
			break
		}
		switch s[i] {
		case 't':
			units = append(units, '\t')
		case 'n':
			units = append(units, '\n')
		case 'r':
			units = append(units, '\r')
		case 'f':
			units = append(units, '\f')
		case 'u':
			if i+5 > len(s) {
				return "", errUnicode
			}
			n, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", errUnicode
			}
			units = append(units, uint16(n))
			i += 4
		default:
			units = append(units, uint16(s[i]))
		}
	}
	return string(utf16.Decode(units)), nil
}

const errUnicode = constError(`\u must be followed by four hexadecimal digits`)

// constError is an error that is a constant.
type constError string

func (e constError) Error() string { return string(e) }
