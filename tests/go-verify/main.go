// go-verify checks a ledger directory with code that shares nothing with the
// program that wrote it: golang.org/x/mod/sumdb/note and sumdb/tlog.
//
// usage: go-verify DIR VKEY
//
// It checks the signature of DIR/checkpoint under VKEY, reads every entry from
// the entry bundles, and proves every entry's inclusion under the signed root
// from the hash tiles. It prints the counts and exits 0 only if all hold.
package main

import (
	"encoding/base64"
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

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go-verify DIR VKEY")
		os.Exit(64)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "go-verify:", err)
		os.Exit(1)
	}
}

func run(dir, vkey string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("vkey: %w", err)
	}
	msg, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	signed, err := note.Open(msg, note.VerifierList(verifier))
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	tree, err := parse(signed.Text, verifier.Name())
	if err != nil {
		return err
	}
	proofs, err := checkEntries(dir, tree)
	if err != nil {
		return err
	}
	fmt.Printf("origin=%s root=%s entries=%d proofs=%d\n", verifier.Name(), tree.Hash, tree.N, proofs)
	return nil
}

// parse reads the text of a C2SP tlog-checkpoint.
func parse(text, origin string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] != origin {
		return tlog.Tree{}, fmt.Errorf("checkpoint of another log")
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("bad tree size")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(raw) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("bad root hash")
	}
	tree := tlog.Tree{N: n}
	copy(tree.Hash[:], raw)
	return tree, nil
}

// checkEntries proves the inclusion of every entry of the bundles.
func checkEntries(dir string, tree tlog.Tree) (int64, error) {
	hashes := tlog.TileHashReader(tree, &tiles{dir: dir, cache: map[string][]byte{}})
	var proofs int64
	for first := int64(0); first < tree.N; first += 1 << height {
		width := tree.N - first
		if width > 1<<height {
			width = 1 << height
		}
		bundle, err := readTile(dir, "entries", first>>height, int(width))
		if err != nil {
			return proofs, err
		}
		for i := int64(0); i < width; i++ {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				return proofs, fmt.Errorf("entry %d: bundle is cut short", first+i)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			leaf := bundle[2:end]
			bundle = bundle[end:]
			proof, err := tlog.ProveRecord(tree.N, first+i, hashes)
			if err != nil {
				return proofs, fmt.Errorf("entry %d: %w", first+i, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, first+i, tlog.RecordHash(leaf)); err != nil {
				return proofs, fmt.Errorf("entry %d: %w", first+i, err)
			}
			proofs++
		}
	}
	return proofs, nil
}

// tiles reads hash tiles from a directory in the C2SP tlog-tiles layout.
type tiles struct {
	dir   string
	cache map[string][]byte
}

func (t *tiles) Height() int { return height }

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range wanted {
		data, ok := t.cache[tile.Path()]
		if !ok {
			var err error
			data, err = readTile(t.dir, strconv.Itoa(tile.L), tile.N, tile.W)
			if err != nil {
				return nil, err
			}
			if len(data) < tile.W*tlog.HashSize {
				return nil, fmt.Errorf("%s is cut short", tile.Path())
			}
			data = data[:tile.W*tlog.HashSize]
			t.cache[tile.Path()] = data
		}
		out = append(out, data)
	}
	return out, nil
}

func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// readTile reads a tile or bundle: the partial one of its width, or the full
// one that has replaced it.
func readTile(dir, level string, n int64, width int) ([]byte, error) {
	name := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	path := filepath.Join(dir, "tile", level, name)
	if width < 1<<height {
		data, err := os.ReadFile(fmt.Sprintf("%s.p/%d", path, width))
		if !os.IsNotExist(err) {
			return data, err
		}
	}
	return os.ReadFile(path)
}
