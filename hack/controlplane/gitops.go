package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gitOpsBinaries are the additional programs of `make e2e-gitops`. Each is
// built from a module that requires its version. Flux and Argo CD have separate
// modules, because their dependencies conflict.
var gitOpsBinaries = []binary{
	{
		name: "kube-controller-manager", pkg: kubernetesModule + "/cmd/kube-controller-manager",
		module: kubernetesModule, dir: ".", buildTime: "2 minutes",
	},
	{
		name: "kustomize-controller", pkg: "github.com/fluxcd/kustomize-controller",
		module: "github.com/fluxcd/kustomize-controller", dir: "../gitops/flux", buildTime: "6 minutes",
		// The CRDs of the sources belong to another controller, so they are
		// generated from its Go types.
		crds: func(ctx context.Context, b binary, into string) error {
			return b.run(ctx, "../../../bin/controller-gen", "crd",
				"paths=github.com/fluxcd/kustomize-controller/api/v1", "paths=github.com/fluxcd/source-controller/api/v1",
				"output:crd:dir="+into)
		},
	},
	{
		name: "argocd", pkg: "github.com/argoproj/argo-cd/v3/cmd",
		module: "github.com/argoproj/argo-cd/v3", dir: "../gitops/argocd", buildTime: "7 minutes",
		crds: func(ctx context.Context, b binary, into string) error {
			return b.copyFromModule(ctx, into, "manifests/crds/application-crd.yaml", "manifests/crds/appproject-crd.yaml")
		},
	},
}

// skippedSuffix ends the name of the file with the reason why a program is
// missing.
const skippedSuffix = ".skipped"

// buildGitOps builds missing or outdated programs. A program whose modules
// cannot be fetched is skipped, and a file next to the others contains the
// reason, which the suites must report.
func buildGitOps(ctx context.Context, into string) error {
	recorded := recordedVersions(into)
	if recorded == nil {
		recorded = versions{}
	}

	for i, b := range gitOpsBinaries {
		progress := fmt.Sprintf("gitops %d/%d:", i+1, len(gitOpsBinaries))

		version, err := b.version(ctx)
		if err != nil {
			return err
		}

		if b.existsIn(into) && recorded[b.module] == version {
			continue
		}

		fmt.Printf("%s fetching and building %s %s (about %s, once)\n", progress, b.name, version, b.buildTime)

		began := time.Now()
		stop := heartbeat(progress, began)
		err = b.make(ctx, version, into)

		stop()

		if notServed := new(notServedError); errors.As(err, &notServed) {
			fmt.Printf("%s SKIPPED %s %s: %v\n", progress, b.name, version, notServed)

			continue
		}

		if err != nil {
			return fmt.Errorf("building %s: %w", b.name, err)
		}

		recorded[b.module] = version
		if err := recorded.record(into); err != nil {
			return err
		}

		fmt.Printf("%s %s is ready after %s\n", progress, b.name, time.Since(began).Round(time.Second))
	}

	return nil
}

// make fetches before it builds, to distinguish fetch errors from build errors.
func (b binary) make(ctx context.Context, version, into string) error {
	reason := filepath.Join(into, b.name+skippedSuffix)

	err := b.run(ctx, "go", "list", "-deps", "-f", "{{/* only fetch */}}", b.pkg)
	if notServed := new(notServedError); errors.As(err, &notServed) {
		return errors.Join(err,
			os.WriteFile(reason, []byte(b.module+" "+version+": "+notServed.Error()+"\n"), 0o644),
			os.RemoveAll(filepath.Join(into, b.name)))
	}

	if err != nil {
		return err
	}

	if b.crds != nil {
		crds := filepath.Join(into, "crds", b.name)
		if err := errors.Join(os.RemoveAll(crds), os.MkdirAll(crds, 0o755)); err != nil {
			return err
		}

		if err := b.crds(ctx, b, crds); err != nil {
			return err
		}
	}

	if err := build(ctx, b, version, filepath.Join(into, b.name)); err != nil {
		return err
	}

	return os.RemoveAll(reason)
}

// notServedError reports that a module could not be fetched.
type notServedError struct{ output string }

func (e *notServedError) Error() string { return e.output }

// run runs a command in the module's directory. Its error contains the output.
func (b binary) run(ctx context.Context, name string, args ...string) error {
	var output bytes.Buffer

	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Stdout, command.Stderr = b.dir, io.Discard, &output

	err := command.Run()
	if err == nil {
		return nil
	}

	if line := fetchError(output.String()); line != "" {
		return &notServedError{output: line}
	}

	return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), args[0], err, output.String())
}

// fetchError returns the line in which the go command reports that it could not
// fetch a module; "" for other errors.
func fetchError(output string) string {
	for line := range strings.Lines(output) {
		for _, sign := range []string{`: reading http`, `: Get "http`, "GOPROXY", "dial tcp", "unrecognized import path"} {
			if strings.Contains(line, sign) {
				return strings.TrimSpace(line)
			}
		}
	}

	return ""
}

// copyFromModule copies files of the module's source.
func (b binary) copyFromModule(ctx context.Context, into string, files ...string) error {
	command := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", b.module)
	command.Dir, command.Stderr = b.dir, os.Stderr

	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("finding the source of %s: %w", b.module, err)
	}

	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), file))
		if err != nil {
			return err
		}

		if err := os.WriteFile(filepath.Join(into, filepath.Base(file)), content, 0o644); err != nil {
			return err
		}
	}

	return nil
}
