// Command protobuf makes Go code of .proto files, beside each. Its arguments are a
// directory and paths below it, by which a program knows the files: they must be unlike
// those of other modules. It stands in for protoc, which would have to be installed.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	gengo "google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	for _, path := range os.Args[2:] {
		if err := generate(os.Args[1], path); err != nil {
			fmt.Fprintf(os.Stderr, "generate code of %q: %v\n", path, err)
			os.Exit(1)
		}
	}
}

// withImports lists a file behind all that it imports.
func withImports(file protoreflect.FileDescriptor) []*descriptorpb.FileDescriptorProto {
	var all []*descriptorpb.FileDescriptorProto
	for i := range file.Imports().Len() {
		all = append(all, withImports(file.Imports().Get(i).FileDescriptor)...)
	}
	return append(all, protoutil.ProtoFromFileDescriptor(file))
}

func generate(root, path string) error {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard, // comments
	}
	files, err := compiler.Compile(context.Background(), path)
	if err != nil {
		return err
	}
	plugin, err := protogen.Options{}.New(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{path},
		ProtoFile:      withImports(files[0]),
	})
	if err != nil {
		return err
	}
	gengo.GenerateFile(plugin, plugin.FilesByPath[path])
	response := plugin.Response()
	if response.Error != nil {
		return fmt.Errorf("%s", response.GetError())
	}
	target := filepath.Join(root, strings.TrimSuffix(path, ".proto")+".pb.go")
	return os.WriteFile(target, []byte(response.File[0].GetContent()), 0o644)
}
