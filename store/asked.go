package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// Meaning returns for each cell of a row which of its values the cell is, as it was sent; "" for one
// that is none: a column that is carried along and ignored, or a value that was read otherwise than
// it was spelled.
func Meaning(r *workflow.Row) []workflow.Column {
	meaning := make([]workflow.Column, len(r.Cells))
	for column, value := range r.Values.All() {
		if at := cellOf(r.Cells, meaning, value); at >= 0 && column != "" && !strings.Contains(string(column), ",") {
			meaning[at] = column
		}
	}
	return meaning
}

// cellOf finds a cell that is the value and means nothing else.
func cellOf(cells []string, meaning []workflow.Column, value string) int {
	for i, cell := range cells {
		if cell == value && value != "" && meaning[i] == "" {
			return i
		}
	}
	return -1
}

// Ignored returns the cells of a row that are none of its values, in their order, and the cells with
// "" in their places.
func Ignored(r *workflow.Row, meaning []workflow.Column) (cells, ignored []string) {
	cells = make([]string, len(r.Cells))
	for i, cell := range r.Cells {
		if meaning[i] != "" {
			cells[i] = cell
		} else {
			ignored = append(ignored, cell)
		}
	}
	return cells, ignored
}

// Sealed returns the row as checksums know it: with the SHA-256 of the cells that are none of its
// values instead of these cells, so that they can be forgotten and the row still be proved.
func Sealed(r *workflow.Row) workflow.Row {
	sealed := *r
	if r.Ignored != "" || len(r.Cells) == 0 {
		return sealed
	}
	var ignored []string
	sealed.Cells, ignored = Ignored(r, Meaning(r))
	sealed.Ignored = HashIgnored(ignored)
	return sealed
}

// HashIgnored returns the SHA-256 in hex of cells as a JSON array; "" where all are empty, so that there is
// nothing to forget.
func HashIgnored(cells []string) string {
	if strings.Join(cells, "") == "" {
		return ""
	}
	sum := sha256.Sum256(appendTexts(nil, cells))
	return hex.EncodeToString(sum[:])
}
