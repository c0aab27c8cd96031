// tiles checks a directory of C2SP tlog-tiles with the Go project's own
// checksum-database code (golang.org/x/mod/sumdb), which shares nothing with Hark but
// the specifications.
//
//	tiles DIR VKEY [OLD]...
//
// It opens DIR/checkpoint, proves by the tiles that each entry in the bundles stands in
// that tree, and that the tree of each checkpoint OLD, a file, is a beginning of it and can
// still be read from DIR. It prints the leaves in hex, one a line, and ends with 1 at
// the first thing that is wrong.
//
// Build offline against Debian's golang-golang-x-mod-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=/tmp/cache go build tiles.go
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// files reads tiles as a web server would give them.
type files struct{ dir string }

func (f files) Height() int { return height }

func (f files) SaveTiles([]tlog.Tile, [][]byte) {}

// pathOf is Go's own path without the height; what it calls data, C2SP calls entries.
func pathOf(t tlog.Tile) string {
	path := strings.Replace(t.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
	return strings.Replace(path, "tile/data/", "tile/entries/", 1)
}

// read tries the full tile where a partial one is gone, as the text advises.
func (f files) read(t tlog.Tile) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(f.dir, pathOf(t)))
	if !os.IsNotExist(err) || t.W == 1<<height {
		return data, err
	}
	full := t
	full.W = 1 << height
	data, err = os.ReadFile(filepath.Join(f.dir, pathOf(full)))
	if err == nil && len(data) > t.W*tlog.HashSize {
		data = data[:t.W*tlog.HashSize]
	}
	return data, err
}

func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := f.read(t)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func open(path, vkey string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	n, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("no checkpoint: %q", n.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// leaves takes an entry bundle apart.
func leaves(bundle []byte) ([][]byte, error) {
	var all [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
			return nil, fmt.Errorf("a bundle ends within an entry")
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		all = append(all, bundle[2:end])
		bundle = bundle[end:]
	}
	return all, nil
}

func checkBundle(f files, tree tlog.Tree, hashes tlog.HashReader, n int64) error {
	t := tlog.Tile{H: height, L: -1, N: n, W: 1 << height}
	if left := tree.N - n<<height; left < 1<<height {
		t.W = int(left)
	}
	bundle, err := os.ReadFile(filepath.Join(f.dir, pathOf(t)))
	if err != nil {
		return err
	}
	all, err := leaves(bundle)
	if err != nil {
		return err
	}
	if len(all) != t.W {
		return fmt.Errorf("%s holds %d entries", pathOf(t), len(all))
	}
	for i, leaf := range all {
		at := n<<height + int64(i)
		proof, err := tlog.ProveRecord(tree.N, at, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, at, tlog.RecordHash(leaf)); err != nil {
			return fmt.Errorf("entry %d: %w", at, err)
		}
		fmt.Printf("%x\n", leaf)
	}
	return nil
}

func checkOld(f files, tree tlog.Tree, hashes tlog.HashReader, path, vkey string) error {
	old, err := open(path, vkey)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return err
	}
	// Who has the old checkpoint only can still read its tree.
	root, err := tlog.TreeHash(old.N, tlog.TileHashReader(old, f))
	if err == nil && root != old.Hash {
		err = fmt.Errorf("the tiles of %d entries give another root", old.N)
	}
	return err
}

func check(f files, vkey string, olds []string) error {
	tree, err := open(filepath.Join(f.dir, "checkpoint"), vkey)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, f)
	for n := int64(0); n<<height < tree.N; n++ {
		if err := checkBundle(f, tree, hashes, n); err != nil {
			return err
		}
	}
	for _, path := range olds {
		if err := checkOld(f, tree, hashes, path, vkey); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "tiles DIR VKEY [OLD]...")
		os.Exit(2)
	}
	if err := check(files{os.Args[1]}, os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
