package upgrade

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
)

// packedName is the name of the package in a file that npm packed; "" when it
// is another archive.
func packedName(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", invalid("%s cannot be read: %v", path, err)
	}
	defer func() { _ = file.Close() }()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return "", badArchive("%s is no gzip file: %v", path, err)
	}
	files := tar.NewReader(io.LimitReader(plain, minUnpacked))
	for range maxFiles {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", badArchive("%s is no tar file: %v", path, err)
		}
		if h.Name != "package/package.json" {
			continue
		}
		var p nodePackage
		if err := json.NewDecoder(io.LimitReader(files, 1<<20)).Decode(&p); err != nil {
			return "", badArchive("the package.json in %s is damaged: %v", path, err)
		}
		return p.Name, CheckPackage(p.Name)
	}
	return "", nil
}
