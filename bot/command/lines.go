package command

import (
	"bytes"
	"encoding/csv"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/sheet"
)

// ReadLines reads what somebody typed or pasted into the form: an account a line, by address, as
// "Ada Lang <ada@x.example>", as Slack's or a mail program's link, or by account id; behind it, for
// an action that gives each account a value of its own, that value: "old → new", also with ->, =>,
// a tab, a comma or a semicolon between the two. Several accounts may stand in one line where they
// have no such value. given are the values that all rows have. The rows have the numbers of their
// lines, or are numbered where a line has several. Errors are those of sheet.ReadCSV.
func ReadLines(
	name workflow.ActionName, text string, given workflow.RowValues, orgID string, limits workflow.ReadLimits,
) (*workflow.Sheet, error) {
	content, err := linesAsCSV(name, text)
	if err != nil {
		return nil, err
	}
	read, err := sheet.ReadCSVWith(content, name, given, orgID, limits)
	if err != nil {
		return nil, err
	}
	for i := range read.Rows {
		read.Rows[i].Line-- // the line with the names of the columns
	}
	return read, nil
}

// linesAsCSV writes lines as a file, which is read as files are: there is one reader of what people
// send.
func linesAsCSV(name workflow.ActionName, text string) ([]byte, error) {
	header, own := []string{string(workflow.ColumnAccountID), string(workflow.ColumnEmail)}, false
	if it, built := action.For(name); built {
		if it.Subject.Absent {
			header = header[1:]
		}
		if uses := it.Arguments(action.Behind); len(uses) > 0 {
			header, own = append(header, string(uses[0].Column)), true
		}
	}
	var out bytes.Buffer
	file := csv.NewWriter(&out)
	write := func(account, value string) error {
		record := []string{"", ""}
		if strings.Contains(account, "@") || !looksLikeID(account) || len(header) == 1 {
			record[1] = account
		} else {
			record[0] = account
		}
		if header[0] != string(workflow.ColumnAccountID) {
			record = record[1:]
		}
		if own {
			record = append(record, value)
		}
		return file.Write(record)
	}
	err := file.Write(header)
	for line := range strings.Lines(text) {
		line = strings.TrimFunc(line, unicode.IsSpace)
		switch {
		case err != nil:
		case line == "" && !own && len(header) == 1:
			err = file.Write([]string{""})
		case line == "":
			file.Flush()
			_, err = out.WriteString("\n") // so that the lines keep their numbers
		case own:
			account, value := cutLine(line)
			err = write(accountIn(account), valueIn(value))
		default:
			for _, account := range accountsIn(line) {
				if err == nil {
					err = write(account, "")
				}
			}
		}
	}
	file.Flush()
	return out.Bytes(), err
}

// ReadAccounts reads the accounts that somebody typed, as ReadLines does for an action without values
// of its own: their addresses and ids. A line that names none is given as it is.
func ReadAccounts(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimFunc(line, unicode.IsSpace); line != "" {
			all = append(all, accountsIn(line)...)
		}
	}
	return all
}

// looksLikeID reports whether a word is an account id rather than a name.
func looksLikeID(word string) bool {
	return workflow.AccountIDProblem(word) == "" && strings.ContainsAny(word, "0123456789:")
}

// arrow is what stands between an account and what it is to have.
var arrow = regexp.MustCompile(`\s*(?:→|⇒|➔|-->?|->|=>|\s>\s|\t)\s*`)

// cutLine cuts a line into the account and the value behind it.
func cutLine(line string) (account, value string) {
	if at := arrow.FindStringIndex(line); at != nil && at[0] > 0 {
		return line[:at[0]], line[at[1]:]
	}
	for _, mark := range []string{";", ","} {
		if account, value, found := strings.Cut(line, mark); found {
			return account, strings.TrimSpace(value)
		}
	}
	if words := splitWords(line); len(words) > 1 { // a space between two, as in the command
		return line[:words[1].at], line[words[1].at:]
	}
	return line, ""
}

// valueIn is a value as its author meant it: an address out of a link or out of "Ada <ada@x>", else
// the text.
func valueIn(text string) string {
	if account := accountIn(text); strings.Contains(account, "@") {
		return account
	}
	return unquote(plainText(text))
}

// named is an address as mail programs give it, with a name before it.
var named = regexp.MustCompile(`^[^<>]*<\s*(?:mailto:)?([^<>|\s]+@[^<>|\s]+)\s*>[,;]?$`)

// accountIn is the account that a text names: its address without name and marks, or the text.
func accountIn(text string) string {
	text = strings.TrimFunc(text, unicode.IsSpace)
	if parts := named.FindStringSubmatch(text); parts != nil {
		return parts[1]
	}
	if what := linkProblem(text); what != "" { // nobody can know which of the two is meant
		return text
	}
	return strings.Trim(plainAddress(text), ",;")
}

// bracketed is an address in angle brackets, as mail programs and Slack write them.
var bracketed = regexp.MustCompile(`<\s*(?:mailto:)?[^<>|\s]+@[^<>|\s]+\s*(?:\|[^<>]*)?>`)

// accountsIn are the accounts of a line: those in angle brackets, with names before them, or else
// words with commas, semicolons or spaces between them. A line with another word in it is one
// account, of which its row says what is wrong.
func accountsIn(line string) []string {
	apart := func(r rune) bool { return strings.ContainsRune(",;", r) || unicode.IsSpace(r) }
	noAccount := func(word string) bool { return !strings.Contains(word, "@") && !looksLikeID(word) }
	links := bracketed.FindAllString(line, -1)
	words := strings.FieldsFunc(bracketed.ReplaceAllString(line, " "), apart)
	switch {
	case len(links) > 0: // what else is no account is somebody's name
		words = append(links, slices.DeleteFunc(words, noAccount)...)
	case slices.ContainsFunc(words, noAccount):
		return []string{line}
	}
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = accountIn(word)
	}
	return out
}
