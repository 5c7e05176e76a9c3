package inputschema

import (
	"math"
	"strings"
)

// farthest is the last instant that a date of a client holds, in milliseconds
// from 1970.
const farthest = 8.64e15

// isDate reports whether a client could make a date of v: numbers count as
// milliseconds, true, false and null as 1, 0 and 0, lists as their text.
func isDate(v value) bool {
	switch v := v.(type) {
	case nil, bool:
		return true
	case float64:
		return math.Abs(v) <= farthest
	case string:
		return isDateText(v)
	case []value:
		text, ok := listText(v, 0)
		return ok && isDateText(text)
	default:
		return false
	}
}

// listText is a list as clients turn it into a text.
func listText(list []value, depth int) (string, bool) {
	if depth > deepest || len(list) > most {
		return "", false
	}
	parts := make([]string, len(list))
	for i, item := range list {
		switch item := item.(type) {
		case nil:
		case string:
			parts[i] = item
		case float64:
			parts[i] = number(item)
		case bool:
			parts[i] = map[bool]string{true: "true", false: "false"}[item]
		case []value:
			text, ok := listText(item, depth+1)
			if !ok {
				return "", false
			}
			parts[i] = text
		default:
			return "", false
		}
	}
	return strings.Join(parts, ","), true
}

// isDateText reports whether a client reads a text as a date: the ISO form, or
// anything loose that has a date in it ("Mar 4, 2024 10:30 pm", "3/4/24").
// Clients differ about loose texts; the rules are those of the commonest
// engine: numbers are parts of a day or, with colons, of a time; words other
// than months and zones may only stand before the first number.
func isDateText(text string) bool {
	words, ok := dateWords(text)
	if !ok {
		return false
	}
	d := &looseDate{words: words}
	return d.read()
}

// looseDate gathers what the pieces of a text say.
type looseDate struct {
	words []dateWord
	at    int

	day       []int
	month     int // named
	iso       bool
	time      []int
	timeDone  bool
	afternoon int // -1: not said
	zone      bool
	zoneOpen  bool // minutes may follow
	utc       bool
	numbered  bool
}

func (d *looseDate) peek() dateWord {
	if d.at < len(d.words) {
		return d.words[d.at]
	}
	return dateWord{}
}

func (d *looseDate) skip(kind byte) bool {
	if d.peek().kind != kind {
		return false
	}
	d.at++
	return true
}

// fixed takes a number of exactly so many digits within bounds.
func (d *looseDate) fixed(digits, low, high int) (int, bool) {
	w := d.peek()
	if w.kind != '0' || w.length != digits || w.number < low || w.number > high {
		return 0, false
	}
	d.at++
	return w.number, true
}

func (d *looseDate) read() bool {
	d.afternoon = -1
	done, ok := d.readISO()
	if !ok {
		return false
	}
	d.numbered = len(d.day) > 0
	for !done && d.at < len(d.words) {
		w := d.peek()
		d.at++
		if !d.piece(w) {
			return false
		}
	}
	return d.valid()
}

// readISO takes the beginning that looks like the ISO form. done says that it
// was all of it; not ok, that it is neither that nor a loose date.
func (d *looseDate) readISO() (done, ok bool) {
	sign := d.peek().kind
	if sign == '+' || sign == '-' {
		if after := d.at + 1; after >= len(d.words) || d.words[after].kind != '0' || d.words[after].length != 6 {
			return false, true
		}
		year := d.words[d.at+1].number
		if sign == '-' {
			if year == 0 {
				return false, true
			}
			year = -year
		}
		d.at += 2
		d.day = append(d.day, year)
	} else if year, isYear := d.fixed(4, 0, 9999); isYear {
		d.day = append(d.day, year)
	} else {
		return false, true
	}
	if d.skip('-') {
		month, isMonth := d.fixed(2, 1, 12)
		if !isMonth {
			return false, true
		}
		d.day = append(d.day, month)
		if d.skip('-') {
			day, isDay := d.fixed(2, 1, 31)
			if !isDay {
				return false, true
			}
			d.day = append(d.day, day)
		}
	}
	if w := d.peek(); w.kind != 'a' || w.word != "t" || w.length != 1 {
		if d.at < len(d.words) {
			return false, true
		}
	} else if d.at++; !d.isoTime() {
		return false, false
	}
	d.iso = true
	return true, true
}

// isoTime takes HH:mm[:ss[.sss]] and a zone, up to the end.
func (d *looseDate) isoTime() bool {
	hour, ok := d.fixed(2, 0, 24)
	if !ok || !d.skip(':') {
		return false
	}
	high := 59
	if hour == 24 {
		high = 0
	}
	minute, ok := d.fixed(2, 0, high)
	if !ok {
		return false
	}
	d.time = []int{hour, minute}
	if d.skip(':') {
		second, ok := d.fixed(2, 0, high)
		if !ok {
			return false
		}
		d.time = append(d.time, second)
		if d.skip('.') {
			if w := d.peek(); w.kind != '0' || hour == 24 && w.number > 0 {
				return false
			}
			d.at++
		}
	}
	switch w := d.peek(); {
	case w.kind == 'a' && w.word == "z" && w.length == 1:
		d.at++
	case w.kind == '+' || w.kind == '-':
		d.at++
		if n, four := d.fixed(4, 0, 2359); four {
			if n%100 > 59 {
				return false
			}
			break
		}
		if _, ok := d.fixed(2, 0, 23); !ok || !d.skip(':') {
			return false
		}
		if _, ok := d.fixed(2, 0, 59); !ok {
			return false
		}
	}
	return d.at == len(d.words)
}

// piece takes one piece of a loose date.
func (d *looseDate) piece(w dateWord) bool {
	switch w.kind {
	case '0':
		d.numbered = true
		return d.numeral(w.number)
	case 'a':
		return d.name(w)
	case '+', '-':
		if d.utc || len(d.time) > 0 {
			return d.offset()
		}
		return !d.numbered
	case ')':
		return !d.numbered
	}
	return true
}

// expects reports whether a bare n would go on with the time.
func (d *looseDate) expects(n int) bool {
	if d.timeDone {
		return false
	}
	return (len(d.time) == 1 || len(d.time) == 2) && n < 60 || len(d.time) == 3 && n < 1000
}

func (d *looseDate) numeral(n int) bool {
	switch {
	case d.skip(':'):
		if d.skip(':') {
			if len(d.time) > 0 {
				return false
			}
			d.time = append(d.time, n, 0)
			return true
		}
		if d.timeDone || len(d.time) == 4 {
			return false
		}
		d.time = append(d.time, n)
		d.skip('.')
		return true
	case d.peek().kind == '.' && d.expects(n):
		d.at++
		w := d.peek()
		if w.kind != '0' {
			return false
		}
		d.at++
		// The fraction takes the next place, also when that is the seconds'.
		d.time = append(d.time, n, fraction(w))
		d.timeDone = true
		return true
	}
	d.skip('.')
	switch {
	case d.zoneOpen && n < 60:
		d.zoneOpen, d.utc = false, false
		return true
	case d.expects(n):
		d.time = append(d.time, n)
		d.timeDone = true
		after := d.peek()
		return d.at == len(d.words) || after.kind == ' ' || after.kind == '+' || after.kind == '-' ||
			after.kind == 'a' && after.word == "z" && after.length == 1
	case len(d.day) == 3:
		return false
	}
	d.day = append(d.day, n)
	d.skip('-')
	return true
}

// fraction is a number behind a point in thousandths.
func fraction(w dateWord) int {
	n := w.number
	for length := w.length; length < 3; length++ {
		n *= 10
	}
	for length := min(w.length, 9); length > 3; length-- {
		n /= 10
	}
	return n
}

func (d *looseDate) name(w dateWord) bool {
	month, isMonth := months[w.word]
	hours, isZone := zones[w.word]
	isZone = isZone && w.length <= 3
	switch {
	case (w.word == "am" || w.word == "pm") && w.length == 2 && len(d.time) > 0:
		d.afternoon = 0
		if w.word == "pm" {
			d.afternoon = 12
		}
	case isMonth:
		d.month = month
		d.skip('-')
	case isZone && d.numbered:
		d.zone, d.utc, d.zoneOpen = true, hours == 0, false
	default:
		// A word that says nothing, which may not touch the first number.
		return !d.numbered && d.peek().kind != '0'
	}
	return true
}

// offset takes the number behind a sign: hours, hours and minutes, or with a
// colon hours that minutes follow.
func (d *looseDate) offset() bool {
	n, length := 0, 0
	if w := d.peek(); w.kind == '0' {
		n, length = w.number, w.length
		d.at++
	}
	d.numbered, d.zone = true, true
	switch {
	case d.peek().kind == ':':
		d.zoneOpen, d.utc = true, false
	case length >= 1 && length <= 4:
		d.zoneOpen, d.utc = false, n == 0
	default:
		return false
	}
	return true
}

// valid puts the parts in their places.
func (d *looseDate) valid() bool {
	if len(d.day) == 0 {
		return false
	}
	for len(d.day) < 3 {
		d.day = append(d.day, 1)
	}
	isDay := func(n int) bool { return n >= 1 && n <= 31 }
	var year, month, day int
	switch {
	case d.month == 0 && (d.iso || !isDay(d.day[0])):
		year, month, day = d.day[0], d.day[1], d.day[2]
	case d.month == 0:
		month, day, year = d.day[0], d.day[1], d.day[2]
	case !isDay(d.day[0]):
		month, year, day = d.month, d.day[0], d.day[1]
	default:
		month, day, year = d.month, d.day[0], d.day[1]
	}
	if month < 1 || month > 12 || !isDay(day) || !inRange(year, month, day) {
		return false
	}
	t := append(d.time, 0, 0, 0)[:3]
	if d.afternoon >= 0 {
		if t[0] > 12 {
			return false
		}
		t[0] = t[0]%12 + d.afternoon
	}
	return t[0] < 24 && t[1] < 60 && t[2] < 60 || t[0] == 24 && t[1] == 0 && t[2] == 0
}

// inRange reports whether a day is one that dates reach, which is to within a
// day of 100 million days from 1970.
func inRange(year, month, day int) bool {
	switch year {
	case 275760:
		return month < 9 || month == 9 && day <= 13
	case -271821:
		return month > 4 || month == 4 && day >= 20
	default:
		return year > -271821 && year < 275760
	}
}
