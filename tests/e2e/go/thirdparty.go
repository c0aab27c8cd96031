// thirdparty checks what Hark signed and proved with the Go project's own
// checksum-database code (golang.org/x/mod/sumdb), which shares nothing with
// Hark but the specifications.
//
// It reads one JSON document, from the file named or from standard input, and
// prints how many of each it has found right. It ends with 1 at the first that
// is wrong, naming it, and with 2 for a document that it cannot read.
//
// Build offline against Debian's golang-golang-x-mod-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=/tmp/cache go build thirdparty.go
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index int64       `json:"index"`
	Size  int64       `json:"size"`
	Root  tlog.Hash   `json:"root"`
	Proof []tlog.Hash `json:"proof"`
}

type consistency struct {
	OldSize int64       `json:"old_size"`
	Size    int64       `json:"size"`
	OldRoot tlog.Hash   `json:"old_root"`
	Root    tlog.Hash   `json:"root"`
	Proof   []tlog.Hash `json:"proof"`
}

type document struct {
	VKey        string        `json:"vkey"`
	Note        string        `json:"note"`
	LeafHashes  []tlog.Hash   `json:"leaf_hashes"`
	Inclusion   []inclusion   `json:"inclusion"`
	Consistency []consistency `json:"consistency"`
}

// stored is the whole tree in the order that tlog numbers its hashes in.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, 0, len(indexes))
	for _, i := range indexes {
		if i < 0 || i >= int64(len(s)) {
			return nil, fmt.Errorf("no stored hash %d", i)
		}
		out = append(out, s[i])
	}
	return out, nil
}

func store(leaves []tlog.Hash) (stored, error) {
	var s stored
	for i, leaf := range leaves {
		more, err := tlog.StoredHashesForRecordHash(int64(i), leaf, s)
		if err != nil {
			return nil, err
		}
		s = append(s, more...)
	}
	return s, nil
}

// checkRoot compares a root with the one recomputed from the leaf hashes.
func checkRoot(s stored, leaves, size int64, root tlog.Hash) error {
	if size < 1 || size > leaves {
		return fmt.Errorf("no tree of %d leaves", size)
	}
	want, err := tlog.TreeHash(size, s)
	if err != nil {
		return err
	}
	if want != root {
		return fmt.Errorf("the root at %d is %v, not %v", size, want, root)
	}
	return nil
}

func checkNote(doc *document, s stored) error {
	verifier, err := note.NewVerifier(doc.VKey)
	if err != nil {
		return err
	}
	n, err := note.Open([]byte(doc.Note), note.VerifierList(verifier))
	if err != nil {
		return err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return fmt.Errorf("the text is not three lines that begin with the log's name: %q", n.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	if size != int64(len(doc.LeafHashes)) {
		return fmt.Errorf("it says %d leaves, there are %d", size, len(doc.LeafHashes))
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return err
	}
	return checkRoot(s, size, size, root)
}

func check(doc *document) error {
	leaves := int64(len(doc.LeafHashes))
	s, err := store(doc.LeafHashes)
	if err != nil {
		return err
	}
	if err := checkNote(doc, s); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	fmt.Println("note 1")
	for i, p := range doc.Inclusion {
		if p.Index < 0 || p.Index >= leaves {
			return fmt.Errorf("inclusion %d: no leaf %d", i, p.Index)
		}
		err := tlog.CheckRecord(p.Proof, p.Size, p.Root, p.Index, doc.LeafHashes[p.Index])
		if err != nil {
			return fmt.Errorf("inclusion %d: %w", i, err)
		}
		if err := checkRoot(s, leaves, p.Size, p.Root); err != nil {
			return fmt.Errorf("root: %w", err)
		}
	}
	fmt.Println("inclusion", len(doc.Inclusion))
	for i, p := range doc.Consistency {
		if err := tlog.CheckTree(p.Proof, p.Size, p.Root, p.OldSize, p.OldRoot); err != nil {
			return fmt.Errorf("consistency %d: %w", i, err)
		}
		if err := checkRoot(s, leaves, p.Size, p.Root); err != nil {
			return fmt.Errorf("root: %w", err)
		}
		if err := checkRoot(s, leaves, p.OldSize, p.OldRoot); err != nil {
			return fmt.Errorf("root: %w", err)
		}
	}
	fmt.Println("consistency", len(doc.Consistency))
	return nil
}

func main() {
	in := io.Reader(os.Stdin)
	if len(os.Args) > 1 {
		file, err := os.Open(os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		defer file.Close()
		in = file
	}
	var doc document
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if err := check(&doc); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
