package controlplane

import (
	"crypto/rand"
	"strings"
)

// userAlphabet has no vowels, so that codes spell no words, and no letters
// that are mistaken for others.
const userAlphabet = "BCDFGHJKLMNPQRSTVWXZ"

// newUserCode draws eight letters, shown XXXX-XXXX.
func newUserCode() string {
	var out []byte
	var buf [16]byte
	for len(out) < 8 {
		_, _ = rand.Read(buf[:]) // never fails: crypto/rand aborts the program instead
		for _, b := range buf {
			// 240 is the largest multiple of 20 in a byte; what lies above would
			// make the first letters likelier.
			if b < 240 && len(out) < 8 {
				out = append(out, userAlphabet[b%20])
			}
		}
	}
	return string(out[:4]) + "-" + string(out[4:])
}

// normalUserCode undoes the ways in which people type a code.
func normalUserCode(typed string) string {
	var letters []rune
	for _, c := range strings.ToUpper(typed) {
		if c >= 'A' && c <= 'Z' {
			letters = append(letters, c)
		}
	}
	if len(letters) != 8 {
		return ""
	}
	return string(letters[:4]) + "-" + string(letters[4:])
}
