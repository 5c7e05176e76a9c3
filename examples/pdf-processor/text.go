package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ledongthuc/pdf"

	"pipedai/worker"
)

// maxText bounds the text of a document.
const maxText = 32 << 20

// TextFound is the output of extract-text.
type TextFound struct {
	Pages      int    `json:"pages"`
	Words      int    `json:"words"`
	Characters int    `json:"characters"`
	PageWords  []int  `json:"pageWords"`
	Title      string `json:"title,omitempty"`
	Asset      string `json:"asset"`
}

func extractText(ctx *worker.Context, _ Input) (TextFound, error) {
	doc, err := openDocument(ctx)
	if err != nil {
		return TextFound{}, err
	}
	defer doc.close()
	out := TextFound{Pages: doc.pages, Title: doc.title, Asset: assetText}
	var pages []string
	size := 0
	err = doc.eachPage(ctx, "reading", func(_ int, page pdf.Page) error {
		text, err := page.GetPlainText(nil)
		if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		text = strings.TrimSpace(strings.ToValidUTF8(text, "�"))
		if size += len(text); size > maxText {
			return worker.Fatal("TOO_LARGE", "the document has more than %d MiB of text", maxText>>20)
		}
		words := len(strings.Fields(text))
		pages = append(pages, text)
		out.PageWords = append(out.PageWords, words)
		out.Words += words
		out.Characters += utf8.RuneCountInString(text)
		return nil
	})
	if err != nil {
		return TextFound{}, err
	}
	// A form feed between pages is what plain text has for a page break.
	if _, err := ctx.AddAsset(assetText, worker.Text, strings.Join(pages, "\f\n")); err != nil {
		return TextFound{}, err
	}
	ctx.Log().Info("text read", "pages", out.Pages, "words", out.Words)
	return out, nil
}

// WordCount is how often a word occurs.
type WordCount struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

// topWords lists the most frequent words that say something, most frequent
// first, equal ones in alphabetical order.
func topWords(text string, n int) []WordCount {
	counts := map[string]int{}
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		if utf8.RuneCountInString(word) > 3 && !fillers[word] {
			counts[word]++
		}
	}
	words := make([]WordCount, 0, len(counts))
	for word, count := range counts {
		words = append(words, WordCount{Word: word, Count: count})
	}
	slices.SortFunc(words, func(a, b WordCount) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Word, b.Word)
	})
	return words[:min(n, len(words))]
}

// fillers are frequent words that say nothing about a text.
var fillers = func() map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(`about above after again also back been before behind below each else
		every everything from have here into itself just like make more most much never nobody none nothing once only
		other others over same says several should some somebody such than that their them then there these they
		thing things this those through time under until upon very well were what when where which while will with
		without would your`) {
		set[word] = true
	}
	return set
}()
