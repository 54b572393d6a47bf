package main

// runtimeFile is added to each package with mutants, with the package's name for
// PACKAGE. MUTANT selects a mutant; MUTANTS_REACHED names a file that gets the id of
// each mutant whose place is reached.
const runtimeFile = `package PACKAGE

import (
	mutantcmp "cmp"
	mutantos "os"
	mutantreflect "reflect"
	mutantstrconv "strconv"
	mutantatomic "sync/atomic"
)

var (
	mutantActive, _ = mutantstrconv.Atoi(mutantos.Getenv("MUTANT"))
	mutantReached   = mutantos.Getenv("MUTANTS_REACHED")
	// An array, because the tests of some packages measure what is allocated.
	mutantPlaces [1 << 16]mutantatomic.Bool
)

func mutantIs(id int) bool {
	if mutantReached != "" {
		mutantReach(id)
	}
	return id == mutantActive
}

func mutantReach(id int) {
	if mutantPlaces[id].Swap(true) {
		return
	}
	file, err := mutantos.OpenFile(mutantReached, mutantos.O_APPEND|mutantos.O_CREATE|mutantos.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := file.WriteString(mutantstrconv.Itoa(id) + "\n"); err != nil {
		panic(err)
	}
}

func mutantNot(id int, value bool) bool    { return value != mutantIs(id) }
func mutantNever(id int, value bool) bool  { return !mutantIs(id) && value }
func mutantAlways(id int, value bool) bool { return mutantIs(id) || value }

func mutantLess[T mutantcmp.Ordered](id int, a, b T) bool {
	return a < b || mutantIs(id) && a == b
}

func mutantGreater[T mutantcmp.Ordered](id int, a, b T) bool {
	return a > b || mutantIs(id) && a == b
}

func mutantLessOrEqual[T mutantcmp.Ordered](id int, a, b T) bool {
	return a < b || !mutantIs(id) && a == b
}

func mutantGreaterOrEqual[T mutantcmp.Ordered](id int, a, b T) bool {
	return a > b || !mutantIs(id) && a == b
}

func mutantNumber[T ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64](id int, value T) T {
	if !mutantIs(id) {
		return value
	}
	of := mutantreflect.TypeFor[T]()
	switch {
	case of.String() == "time.Duration" && value != 0:
		return value + value
	case of.PkgPath() != "" && of.String() != "time.Duration" && int64(value)%2 != 0:
		// The constant of an enumeration becomes another one of it, also the last.
		return value - 1
	}
	return value + 1
}

func mutantWithoutKey[M ~map[K]V, K comparable, V any](id int, all M, key K) M {
	if mutantIs(id) {
		delete(all, key)
	}
	return all
}

func mutantWithoutElement[S ~[]E, E any](id int, all S, index int) S {
	if !mutantIs(id) {
		return all
	}
	return append(append(S{}, all[:index]...), all[index+1:]...)
}

// mutantTag returns a value that no case has in place of those of the removed case.
func mutantTag[T comparable](id int, tag T, removed ...T) T {
	if !mutantIs(id) {
		return tag
	}
	for _, one := range removed {
		if one != tag {
			continue
		}
		other := mutantreflect.New(mutantreflect.TypeFor[T]()).Elem()
		switch {
		case other.Kind() == mutantreflect.String:
			other.SetString("\x00")
		case other.CanInt():
			other.SetInt(-100)
		case other.CanUint():
			other.SetUint(100)
		}
		return other.Interface().(T)
	}
	return tag
}
`
