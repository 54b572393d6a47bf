package gitops

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// repository is a local git repository.
type repository struct{ directory string }

func newRepository(directory string) (*repository, error) {
	r := &repository{directory}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, err
	}
	_, err := r.git("init", "--quiet", "--initial-branch=main")
	return r, err
}

// url returns the URL from which Argo CD fetches.
func (r *repository) url() string { return "file://" + r.directory }

// commit writes files, removes those without content, and commits.
func (r *repository) commit(files map[string]string) error {
	for name, content := range files {
		file := filepath.Join(r.directory, name)
		if content == "" {
			if err := os.Remove(file); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return err
		}
	}
	if _, err := r.git("add", "--all"); err != nil {
		return err
	}
	_, err := r.git("commit", "--quiet", "--message=change")
	return err
}

// head returns the newest commit.
func (r *repository) head() (string, error) {
	out, err := r.git("rev-parse", "HEAD")
	return strings.TrimSpace(string(out)), err
}

// archive returns the content in the form in which Flux's source-controller
// publishes it.
func (r *repository) archive() ([]byte, error) {
	return r.git("archive", "--format=tar.gz", "HEAD")
}

func (r *repository) git(args ...string) ([]byte, error) {
	command := exec.Command("git", args...)
	command.Dir = r.directory
	// Ignore the user's git configuration.
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull,
		"GIT_AUTHOR_NAME=someone", "GIT_AUTHOR_EMAIL=someone@example.com",
		"GIT_COMMITTER_NAME=someone", "GIT_COMMITTER_EMAIL=someone@example.com")
	var message strings.Builder
	command.Stderr = &message
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w\n%s", args[0], err, message.String())
	}
	return out, nil
}
