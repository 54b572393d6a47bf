package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one mistake that is compiled in.
type mutant struct {
	id int
	// file is relative to the root of the module.
	file     string
	line     int
	function string
	// source is the line of the code, change what is done to it.
	source, change string
	edits          []edit
}

// edit inserts text around a node, or replaces a few characters between its operands.
type edit struct {
	path           string
	offset, length int
	text           string
	// isSuffix reports that the text ends a node: it comes before texts that begin
	// one, and the innermost comes first.
	isSuffix bool
}

// finder finds the mutants of one package.
type finder struct {
	*loaded
	root    string
	file    source
	parents []ast.Node
	found   []*mutant
	nextID  int
}

// find returns the mutants of a package in the order of its source. The first has the
// id after.
func find(root string, pkg *loaded, after int) []*mutant {
	f := &finder{loaded: pkg, root: root, nextID: after}
	for _, file := range pkg.files {
		if ast.IsGenerated(file.tree) {
			continue
		}
		f.file = file
		ast.Inspect(file.tree, func(node ast.Node) bool {
			if node == nil {
				f.parents = f.parents[:len(f.parents)-1]
				return true
			}
			f.visit(node)
			f.parents = append(f.parents, node)
			return true
		})
	}
	return f.found
}

func (f *finder) visit(node ast.Node) {
	switch node := node.(type) {
	case *ast.IfStmt:
		f.condition(node)
	case *ast.ForStmt:
		if node.Cond != nil {
			f.negate(node.Cond)
		}
	case *ast.BinaryExpr:
		f.binary(node)
	case *ast.ReturnStmt:
		f.results(node)
	case *ast.ExprStmt:
		if call, ok := node.X.(*ast.CallExpr); ok && !keptCalls[calledName(call)] {
			f.remove(node, "call deleted")
		}
	case *ast.AssignStmt:
		if node.Tok != token.DEFINE && !f.isBlank(node.Lhs[0]) {
			f.remove(node, "assignment deleted")
		}
		f.booleans(node.Rhs)
	case *ast.IncDecStmt:
		f.remove(node, "assignment deleted")
	case *ast.CompositeLit:
		f.entries(node)
	case *ast.SwitchStmt:
		f.cases(node)
	}
	if expression, ok := node.(ast.Expr); ok {
		f.number(expression)
	}
}

// keptCalls are the calls that are not deleted: without a lock only the race detector
// would fail, and a panic may end a function.
var keptCalls = map[string]bool{"Lock": true, "Unlock": true, "RLock": true, "RUnlock": true, "panic": true}

func calledName(call *ast.CallExpr) string {
	switch called := call.Fun.(type) {
	case *ast.Ident:
		return called.Name
	case *ast.SelectorExpr:
		return called.Sel.Name
	default:
		return ""
	}
}

func (f *finder) parent() ast.Node { return f.parents[len(f.parents)-1] }

func (f *finder) offset(at token.Pos) int { return f.fset.Position(at).Offset }

func (f *finder) textOf(node ast.Node) string {
	return string(f.file.text[f.offset(node.Pos()):f.offset(node.End())])
}

// add adds a mutant at a node. The edits are texts around the node with the mutant's
// id for %d.
func (f *finder) add(node ast.Node, change, prefix, suffix string, between ...edit) {
	f.nextID++
	position := f.fset.Position(node.Pos())
	name, err := filepath.Rel(f.root, f.file.path)
	if err != nil {
		name = f.file.path
	}
	lines := bytes.Split(f.file.text, []byte("\n"))
	one := &mutant{
		id: f.nextID, file: filepath.ToSlash(name), line: position.Line, function: f.function(),
		source: string(bytes.TrimSpace(lines[position.Line-1])), change: change,
	}
	one.edits = append(one.edits, edit{path: f.file.path, offset: position.Offset, text: strings.Replace(prefix, "%d", fmt.Sprint(one.id), 1)})
	one.edits = append(one.edits, between...)
	one.edits = append(one.edits, edit{
		path: f.file.path, offset: f.offset(node.End()), text: strings.Replace(suffix, "%d", fmt.Sprint(one.id), 1), isSuffix: true,
	})
	f.found = append(f.found, one)
}

// function is the name of the declaration around the current node.
func (f *finder) function() string {
	for _, node := range slices.Backward(f.parents) {
		if declared, ok := node.(*ast.FuncDecl); ok {
			return declared.Name.Name
		}
	}
	return "(package)"
}

// isBool reports whether an expression is a bool that is no constant.
func (f *finder) isBool(expression ast.Expr) bool {
	typed := f.info.Types[expression]
	basic, ok := typed.Type.(*types.Basic)
	return ok && basic.Info()&types.IsBoolean != 0 && typed.Value == nil
}

func (f *finder) isBlank(expression ast.Expr) bool {
	name, ok := expression.(*ast.Ident)
	return ok && name.Name == "_"
}

func shown(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	const longest = 70
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	return text
}

func (f *finder) negate(expression ast.Expr) {
	if f.isBool(expression) {
		f.add(expression, "negated: "+shown(f.textOf(expression)), "mutantNot(%d, ", ")")
	}
}

func (f *finder) condition(node *ast.IfStmt) {
	f.negate(node.Cond)
	if node.Else != nil || len(node.Body.List) == 0 || !f.isBool(node.Cond) {
		return
	}
	switch node.Body.List[len(node.Body.List)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		f.add(node.Cond, "early return removed", "mutantNever(%d, ", ")")
	default:
	}
}

// booleans negates the values of an assignment or the results of a return.
func (f *finder) booleans(values []ast.Expr) {
	for _, value := range values {
		if _, isLiteral := value.(*ast.FuncLit); !isLiteral {
			f.negate(value)
		}
	}
}

// bounds are the functions for the comparisons that include or exclude their boundary.
var bounds = map[token.Token]string{
	token.LSS: "mutantLess", token.LEQ: "mutantLessOrEqual", token.GTR: "mutantGreater", token.GEQ: "mutantGreaterOrEqual",
}

func (f *finder) binary(node *ast.BinaryExpr) {
	switch node.Op {
	case token.LAND, token.LOR:
		for _, operand := range []ast.Expr{node.X, node.Y} {
			if inner, ok := operand.(*ast.BinaryExpr); ok && inner.Op == node.Op || !f.isBool(operand) {
				continue
			}
			name := map[token.Token]string{token.LAND: "mutantAlways", token.LOR: "mutantNever"}[node.Op]
			f.add(operand, "operand removed: "+shown(f.textOf(operand)), name+"(%d, ", ")")
		}
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		basic, ok := f.info.TypeOf(node.X).Underlying().(*types.Basic)
		if !ok || basic.Info()&types.IsOrdered == 0 || f.info.Types[node].Value != nil {
			return
		}
		operator := edit{path: f.file.path, offset: f.offset(node.OpPos), length: len(node.Op.String()), text: ","}
		f.add(node, "boundary of "+node.Op.String(), bounds[node.Op]+"(%d, ", ")", operator)
	default:
	}
}

// results replaces what a function returns by zero values.
func (f *finder) results(node *ast.ReturnStmt) {
	results := f.resultTypes()
	if len(node.Results) == 0 || results == nil {
		return
	}
	for _, value := range node.Results {
		text := f.textOf(value)
		if f.isBool(value) || text == "true" || text == "false" {
			f.add(value, "negated: "+shown(text), "mutantNot(%d, ", ")")
		}
	}
	if !slices.ContainsFunc(node.Results, func(value ast.Expr) bool { return !f.isZero(value) }) {
		return
	}
	if len(results) == 1 && results[0] == "bool" {
		return
	}
	zeros := make([]string, 0, len(results))
	for _, one := range results {
		zeros = append(zeros, "*new("+one+")")
	}
	f.add(node, "zero values returned", "if mutantIs(%d) { return "+strings.Join(zeros, ", ")+" }; ", "")
}

// resultTypes returns the result types of the function around the current node, as the
// source spells them.
func (f *finder) resultTypes() []string {
	var signature *ast.FuncType
	for _, node := range slices.Backward(f.parents) {
		if literal, ok := node.(*ast.FuncLit); ok {
			signature = literal.Type
			break
		}
		if declared, ok := node.(*ast.FuncDecl); ok {
			signature = declared.Type
			break
		}
	}
	if signature == nil || signature.Results == nil {
		return nil
	}
	var all []string
	for _, field := range signature.Results.List {
		for range max(len(field.Names), 1) {
			all = append(all, f.textOf(field.Type))
		}
	}
	return all
}

func (f *finder) isZero(value ast.Expr) bool {
	if literal, ok := value.(*ast.CompositeLit); ok {
		_, isStruct := f.info.TypeOf(literal).Underlying().(*types.Struct)
		return isStruct && len(literal.Elts) == 0
	}
	return slices.Contains([]string{"nil", "false", "0", `""`}, f.textOf(value))
}

// remove deletes a statement of a block.
func (f *finder) remove(node ast.Stmt, change string) {
	var list []ast.Stmt
	switch parent := f.parent().(type) {
	case *ast.BlockStmt:
		list = parent.List
	case *ast.CaseClause:
		list = parent.Body
	case *ast.CommClause:
		list = parent.Body
	default:
	}
	if slices.Contains(list, node) {
		f.add(node, change, "if !mutantIs(%d) { ", " }")
	}
}

// entries removes the entries of a map and the elements of a slice.
func (f *finder) entries(node *ast.CompositeLit) {
	if node.Type == nil || f.isAddressed() {
		return
	}
	_, isMap := f.info.TypeOf(node).Underlying().(*types.Map)
	_, isSlice := f.info.TypeOf(node).Underlying().(*types.Slice)
	for i, element := range node.Elts {
		pair, isPair := element.(*ast.KeyValueExpr)
		switch {
		case isMap && isPair && f.info.Types[pair.Key].Value != nil:
			key := f.textOf(pair.Key)
			f.add(node, "entry removed: "+shown(key), "mutantWithoutKey(%d, ", ", "+key+")")
		case isSlice && !isPair:
			f.add(node, "element removed: "+shown(f.textOf(element)), "mutantWithoutElement(%d, ", fmt.Sprintf(", %d)", i))
		}
	}
}

// isAddressed reports whether the address of the current node is taken.
func (f *finder) isAddressed() bool {
	unary, ok := f.parent().(*ast.UnaryExpr)
	return ok && unary.Op == token.AND
}

// cases removes the cases of a switch.
func (f *finder) cases(node *ast.SwitchStmt) {
	for _, one := range node.Body.List {
		clause, ok := one.(*ast.CaseClause)
		if !ok || len(clause.List) == 0 {
			continue
		}
		if node.Tag == nil {
			for _, condition := range clause.List {
				if f.isBool(condition) {
					f.add(condition, "case removed: "+shown(f.textOf(condition)), "mutantNever(%d, ", ")")
				}
			}
			continue
		}
		values := make([]string, 0, len(clause.List))
		for _, value := range clause.List {
			if f.info.Types[value].Value != nil {
				values = append(values, f.textOf(value))
			}
		}
		if len(values) == len(clause.List) {
			all := strings.Join(values, ", ")
			f.add(node.Tag, "case removed: "+shown(all), "mutantTag(%d, ", ", "+all+")")
		}
	}
}

// number changes a constant: it adds one to a number and doubles a duration.
func (f *finder) number(expression ast.Expr) {
	typed := f.info.Types[expression]
	if typed.Value == nil || !f.isPlainOperand(expression) {
		return
	}
	basic, isBasic := typed.Type.Underlying().(*types.Basic)
	if !isBasic || basic.Info()&types.IsNumeric == 0 || basic.Info()&types.IsUntyped != 0 {
		return
	}
	text := shown(f.textOf(expression))
	_, isLiteral := expression.(*ast.BasicLit)
	switch {
	case types.Identical(typed.Type, basic):
		f.add(expression, "constant changed: "+text, "mutantNumber(%d, "+basic.Name()+"(", "))")
	case !isLiteral:
		f.add(expression, "constant changed: "+text, "mutantNumber(%d, ", ")")
	}
}

// isPlainOperand reports whether an expression may be a variable: Go wants constants
// in declarations of constants, in types and in keys of lists. Sizes of make change
// nothing that a test could see.
func (f *finder) isPlainOperand(expression ast.Expr) bool {
	for _, node := range slices.Backward(f.parents) {
		if declaration, ok := node.(*ast.GenDecl); ok && declaration.Tok == token.CONST {
			return false
		}
	}
	switch parent := f.parent().(type) {
	case *ast.BinaryExpr:
		return f.info.Types[parent].Value == nil && parent.Op != token.SHL && parent.Op != token.SHR
	case *ast.UnaryExpr, *ast.ParenExpr:
		return f.info.Types[parent.(ast.Expr)].Value == nil //nolint:forcetypeassert // both are expressions
	case *ast.CallExpr:
		return f.info.Types[parent].Value == nil && calledName(parent) != "make"
	case *ast.KeyValueExpr:
		return parent.Key != expression
	case *ast.SelectorExpr, *ast.ArrayType, *ast.CaseClause, *ast.Field:
		return false
	default:
		return true
	}
}
