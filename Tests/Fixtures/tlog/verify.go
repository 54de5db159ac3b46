// Checks with Go's own packages what a Daybook server says of its log: the program that checks sum.golang.org.
//
// It reads one JSON object from standard input and prints how many proofs held; the first that doesn't ends it with 1.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index, Size int64
	Header      string
	Hashes      []string
	Root        string
}

type consistency struct {
	FromSize, ToSize int64
	FromRoot, ToRoot string
	Hashes           []string
}

type input struct {
	Key         string
	Note        string
	Headers     []string
	Inclusions  []inclusion
	Consistency []consistency
	Files       []string
	// By C2SP's path, in base64.
	Tiles map[string]string
}

// tiles reads what a server gave out as C2SP's tlog-tiles, which are tiles of height 8.
type tiles struct{ known map[string]string }

func (reader tiles) Height() int { return 8 }

func (reader tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

func (reader tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var result [][]byte
	for _, tile := range wanted {
		// Go's path names the height too.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, err := base64.StdEncoding.DecodeString(reader.known[path])
		if err != nil || len(bytes) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s is not there as a whole", path)
		}
		result = append(result, bytes)
	}
	return result, nil
}

func fail(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}

func hash(text string) tlog.Hash {
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(bytes) != tlog.HashSize {
		fail("%q is no hash", text)
	}
	var result tlog.Hash
	copy(result[:], bytes)
	return result
}

func hashes(texts []string) []tlog.Hash {
	var result []tlog.Hash
	for _, text := range texts {
		result = append(result, hash(text))
	}
	return result
}

// checkpoint opens a signed note and returns the tree that it vouches for.
func checkpoint(text string, verifier note.Verifier) tlog.Tree {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		fail("the checkpoint doesn't open: %v", err)
	}
	lines := strings.SplitN(opened.Text, "\n", 4)
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		fail("the checkpoint has no size: %v", err)
	}
	return tlog.Tree{N: size, Hash: hash(lines[2])}
}

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		fail("no input: %v", err)
	}
	verifier, err := note.NewVerifier(in.Key)
	if err != nil {
		fail("the key is none: %v", err)
	}
	tree := checkpoint(in.Note, verifier)
	if changed := strings.Replace(in.Note, fmt.Sprint(tree.N), fmt.Sprint(tree.N+1), 1); changed != in.Note {
		if _, err := note.Open([]byte(changed), note.VerifierList(verifier)); err == nil {
			fail("a changed checkpoint opens")
		}
	}

	// The root from nothing but the headers.
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var result []tlog.Hash
		for _, index := range indexes {
			result = append(result, stored[index])
		}
		return result, nil
	})
	for index, header := range in.Headers {
		added, err := tlog.StoredHashes(int64(index), []byte(header), reader)
		if err != nil {
			fail("header %d: %v", index, err)
		}
		stored = append(stored, added...)
	}
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil || root != tree.Hash {
		fail("the root of %d headers is %v, the checkpoint says %v (%v)", len(in.Headers), root, tree.Hash, err)
	}

	for _, proof := range in.Inclusions {
		leaf := tlog.RecordHash([]byte(proof.Header))
		if err := tlog.CheckRecord(hashes(proof.Hashes), proof.Size, hash(proof.Root), proof.Index, leaf); err != nil {
			fail("inclusion of %d in %d: %v", proof.Index, proof.Size, err)
		}
		if tlog.CheckRecord(hashes(proof.Hashes), proof.Size, hash(proof.Root), (proof.Index+1)%proof.Size, leaf) == nil && proof.Size > 1 {
			fail("inclusion of %d in %d holds for another index", proof.Index, proof.Size)
		}
		if own, err := tlog.TreeHash(proof.Size, reader); err != nil || own != hash(proof.Root) {
			fail("the root of size %d is another: %v", proof.Size, err)
		}
	}
	for _, proof := range in.Consistency {
		err := tlog.CheckTree(hashes(proof.Hashes), proof.ToSize, hash(proof.ToRoot), proof.FromSize, hash(proof.FromRoot))
		if err != nil {
			fail("consistency of %d with %d: %v", proof.FromSize, proof.ToSize, err)
		}
	}
	// C2SP tlog-proof: the index, the hashes, an empty line, the checkpoint.
	for _, file := range in.Files {
		parts := strings.SplitN(file, "\n\n", 2)
		lines := strings.Split(parts[0], "\n")
		if lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
			fail("no tlog-proof: %q", lines[:2])
		}
		index, err := strconv.ParseInt(lines[1][len("index "):], 10, 64)
		if err != nil {
			fail("no index: %v", err)
		}
		to := checkpoint(parts[1], verifier)
		leaf := tlog.RecordHash([]byte(in.Headers[index]))
		if err := tlog.CheckRecord(hashes(lines[2:]), to.N, to.Hash, index, leaf); err != nil {
			fail("the file of %d: %v", index, err)
		}
	}
	// Each leaf by tiles alone, which Go proves to be of the checkpoint's tree.
	authentic := tlog.TileHashReader(tree, tiles{in.Tiles})
	for index, header := range in.Headers {
		found, err := authentic.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(index))})
		if err != nil || found[0] != tlog.RecordHash([]byte(header)) {
			fail("leaf %d by tiles: %v", index, err)
		}
	}
	fmt.Printf("%d headers, %d inclusions, %d consistency proofs, %d files, %d tiles\n",
		len(in.Headers), len(in.Inclusions), len(in.Consistency), len(in.Files), len(in.Tiles))
}
