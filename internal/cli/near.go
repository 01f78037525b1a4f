package cli

import "strings"

// maxNear is the number of near names that a message has.
const maxNear = 3

// didYouMean is the sentence for near names, or "".
func didYouMean(near []string) string {
	if len(near) == 0 {
		return ""
	}
	cleaned := make([]string, len(near))
	for i, n := range near {
		cleaned[i] = clean(n)
	}
	last := len(cleaned) - 1
	if last == 0 {
		return "did you mean " + cleaned[0] + "?"
	}
	return "did you mean " + strings.Join(cleaned[:last], ", ") + " or " + cleaned[last] + "?"
}
