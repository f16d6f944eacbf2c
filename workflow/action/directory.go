package action

import (
	"strings"

	"github.com/countersign/countersign/workflow"
)

// KindDirectories are the directories of the organisation: FieldID, FieldName, and FieldAllowed for
// the one that the settings name.
const KindDirectories workflow.FactKind = "directories"

// Directories asks which directories the organisation has.
func Directories() workflow.Fact {
	return workflow.Fact{Kind: KindDirectories, Endpoint: workflow.Endpoint{Place: workflow.PlaceDirectory}}
}

// directory is a directory of the organisation.
type directory struct {
	ID, Name string
	Settings bool // the settings name it
}

// DirectoryValues returns a directory as the answer to a fact.
func DirectoryValues(id, name string, settings bool) workflow.Values {
	v := workflow.Of(workflow.FieldID, id).With(workflow.FieldName, name)
	if settings {
		v = v.With(workflow.FieldAllowed, "true")
	}
	return v
}

// directories are those that there are; known is false until they have been read.
func directories(f *Facts) (all []directory, known bool) {
	answers, known := f.Answers[Directories()]
	for _, v := range answers {
		all = append(all, directory{v.Get(workflow.FieldID), v.Get(workflow.FieldName), v.Get(workflow.FieldAllowed) != ""})
	}
	return all, known
}

// RowDirectory returns the id of the directory to which the calls of a row go: the one that the row
// names, else that of the settings, else the only one. A row for which none of these is clear is
// blocked with the candidates. The id is "" while the directories are not known (Directories).
func RowDirectory(r *workflow.Row, f *Facts) (id string, finding Finding) {
	all, known := directories(f)
	if !known {
		return "", Ready()
	}
	asked := r.Values.Get(workflow.ColumnDirectory)
	d, found := directoryNamed(asked, all)
	switch {
	case found:
		return d.ID, Ready()
	case asked == "" && settingsDirectory(all) != "":
		return settingsDirectory(all), Ready()
	case asked == "" && len(all) == 1:
		return all[0].ID, Ready()
	}
	return "", Blocked(workflow.ReasonWhichDirectory, asked, directoryWords(all))
}

// directoryNamed finds a directory by its id, or by its exact name where only one has it.
func directoryNamed(what string, all []directory) (directory, bool) {
	var named []directory
	for _, d := range all {
		switch {
		case what != "" && d.ID == what:
			return d, true
		case what != "" && d.Name == what:
			named = append(named, d)
		}
	}
	if len(named) != 1 {
		return directory{}, false
	}
	return named[0], true
}

func settingsDirectory(all []directory) string {
	for _, d := range all {
		if d.Settings {
			return d.ID
		}
	}
	return ""
}

// directoryName is a directory as people know it.
func directoryName(id string, all []directory) string {
	for _, d := range all {
		if d.ID == id && d.Name != "" {
			return d.Name
		}
	}
	return id
}

// knownDirectoryName is directoryName as far as the directories have been read.
func knownDirectoryName(id string, f *Facts) string {
	all, _ := directories(f)
	return directoryName(id, all)
}

// directoryWords names directories, each with its id.
func directoryWords(all []directory) string {
	words := make([]string, len(all))
	for i, d := range all {
		words[i] = strings.TrimSpace(d.Name + " " + d.ID)
	}
	return strings.Join(words, ", ")
}
