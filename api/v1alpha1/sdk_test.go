package v1alpha1

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
)

// leftOut has the fields of the Clusters and Libraries APIs that the resource does not
// have, with the reasons.
var leftOut = map[string]string{
	"clone_from":           "copies libraries once, at creation, from a cluster that may not exist later: libraries are declared",
	"idempotency_token":    "is set by the operator from the object's UID, so that a repeated create makes one cluster",
	"cluster_mount_info":   "experimental and not in the SDK: use volumes or init scripts",
	"virtual_cluster_size": "hidden: only the text of other fields mentions it, and its values are not documented",
	"init_scripts.dbfs":    "not supported by Databricks any more: use volumes or workspace",
	"libraries.egg":        "not supported since runtime 14: use whl",

	"docker_image.basic_auth": "is a password: basicAuthSecretRef names a Secret instead",
	"azure_attributes.log_analytics_info.log_analytics_primary_key": "is a key: logAnalyticsPrimaryKeySecretRef names a Secret instead",
}

// unknownToSDK has the fields of leftOut that the SDK does not have.
var unknownToSDK = []string{"idempotency_token", "cluster_mount_info", "virtual_cluster_size"}

// notInAPI has the fields of the resource that replace one that is left out.
var notInAPI = []string{"docker_image.basicAuthSecretRef", "azure_attributes.log_analytics_info.logAnalyticsPrimaryKeySecretRef"}

// initialisms has the words that stay in capitals in camelCase.
var initialisms = map[string]string{
	"id": "ID", "ids": "IDs", "arn": "ARN", "acl": "ACL", "iops": "IOPS", "ml": "ML", "jdbc": "JDBC", "url": "URL",
}

// kubernetesName returns the resource's name of a field of the Clusters API.
func kubernetesName(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words[1:] {
		if initialism, ok := initialisms[word]; ok {
			words[i+1] = initialism
		} else {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}

// jsonFields returns the types of the fields of structs by JSON name, including those of
// inlined structs.
func jsonFields(structs ...reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for _, of := range structs {
		for _, field := range reflect.VisibleFields(of) {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
				fields[name] = field.Type
			}
		}
	}
	return fields
}

// element returns the element type of pointers and lists, and whether it is a struct.
func element(of reflect.Type) (reflect.Type, bool) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	return of, of.Kind() == reflect.Struct
}

// problemsOf compares the fields of the API with those of the resource, in both
// directions. Paths are those of the API.
func problemsOf(path string, theirs, ours map[string]reflect.Type) (problems []string) {
	mapped := map[string]bool{}
	for name, their := range theirs {
		at := path + name
		our, isMapped := ours[kubernetesName(name)]
		mapped[kubernetesName(name)] = true
		_, isLeftOut := leftOut[at]
		switch {
		case isMapped && isLeftOut:
			problems = append(problems, at+" is left out, and mapped")
		case isMapped:
			problems = append(problems, problemsOfTypes(at, their, our)...)
		case !isLeftOut:
			problems = append(problems, at+" is neither mapped to "+kubernetesName(name)+" nor left out with a reason")
		}
	}
	for name := range ours {
		if !mapped[name] && !slices.Contains(notInAPI, path+name) {
			problems = append(problems, path+name+" is no field of the API")
		}
	}
	return problems
}

// problemsOfTypes checks that the type of a field can express a zero value, and compares
// structs recursively.
func problemsOfTypes(at string, theirs, ours reflect.Type) []string {
	theirStruct, structured := element(theirs)
	if structured {
		ourStruct, _ := element(ours)
		return problemsOf(at+".", jsonFields(theirStruct), jsonFields(ourStruct))
	}
	wanted := theirs.Kind()
	switch theirs.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int64:
		wanted = reflect.Pointer // Go's zero is a value there
	case reflect.Float64:
		wanted = reflect.String // no fractions in a Kubernetes API
	default:
	}
	if ours.Kind() != wanted {
		return []string{fmt.Sprintf("%s is %s to the API and %s here: it must be a %s", at, theirs, ours, wanted)}
	}
	return nil
}

// inAPI reports whether the SDK has a field at a path of the API.
func inAPI(path string) bool {
	of := reflect.TypeFor[struct {
		compute.CreateCluster

		Libraries []compute.Library `json:"libraries"`
	}]()
	for name := range strings.SplitSeq(path, ".") {
		field, ok := jsonFields(of)[name]
		if !ok {
			return false
		}
		of, _ = element(field)
	}
	return true
}

func TestEveryFieldOfTheAPIIsMappedOrLeftOutWithAReason(t *testing.T) {
	g := NewWithT(t)
	g.Expect(problemsOf("", sdkFields(), jsonFields(reflect.TypeFor[ClusterSpec]()))).To(BeEmpty())
	g.Expect(problemsOf("libraries.",
		jsonFields(reflect.TypeFor[compute.Library]()), jsonFields(reflect.TypeFor[Library]()))).To(BeEmpty())
	g.Expect(problemsOf("access_control_list.",
		jsonFields(reflect.TypeFor[compute.ClusterAccessControlRequest]()), jsonFields(reflect.TypeFor[AccessControl]()))).To(BeEmpty())
}

func TestFieldsThatAreLeftOutExist(t *testing.T) {
	g := NewWithT(t)
	for field := range leftOut {
		g.Expect(inAPI(field)).NotTo(Equal(slices.Contains(unknownToSDK, field)), field)
	}
}

// sdkFields returns the fields of a cluster specification and of a create request.
func sdkFields() map[string]reflect.Type {
	return jsonFields(reflect.TypeFor[compute.ClusterSpec](), reflect.TypeFor[compute.CreateCluster]())
}

func TestNoFieldOfTheAPITakesANameOfTheOperators(t *testing.T) {
	g := NewWithT(t)
	operators := jsonFields(reflect.TypeFor[OperatorSpec](), reflect.TypeFor[ReferenceSpec]())
	for name := range sdkFields() {
		g.Expect(operators).NotTo(HaveKey(kubernetesName(name)), name)
	}
	for name := range jsonFields(reflect.TypeFor[ClusterSpec]()) {
		g.Expect(operators).NotTo(HaveKey(name), "a name must be unique in the spec")
	}
}

func TestNamesConvertMechanically(t *testing.T) {
	g := NewWithT(t)
	for name, converted := range map[string]string{
		"spark_version": "sparkVersion", "node_type_id": "nodeTypeID", "use_ml_runtime": "useMLRuntime",
		"instance_profile_arn": "instanceProfileARN", "canned_acl": "cannedACL", "ebs_volume_iops": "ebsVolumeIOPS",
		"alternate_node_type_ids": "alternateNodeTypeIDs", "ssh_public_keys": "sshPublicKeys", "s3": "s3",
	} {
		g.Expect(kubernetesName(name)).To(Equal(converted))
	}
}

func TestEnumsAreThoseOfTheSDK(t *testing.T) {
	schema := specSchema(t)
	for path, values := range map[string][]string{
		"dataSecurityMode":                      texts(new(compute.DataSecurityMode).Values()),
		"runtimeEngine":                         texts(new(compute.RuntimeEngine).Values()),
		"kind":                                  texts(new(compute.Kind).Values()),
		"dependencyMode":                        texts(new(compute.DependencyMode).Values()),
		"awsAttributes.availability":            texts(new(compute.AwsAvailability).Values()),
		"awsAttributes.ebsVolumeType":           texts(new(compute.EbsVolumeType).Values()),
		"azureAttributes.availability":          texts(new(compute.AzureAvailability).Values()),
		"gcpAttributes.availability":            texts(new(compute.GcpAvailability).Values()),
		"gcpAttributes.confidentialComputeType": texts(new(compute.ConfidentialComputeType).Values()),
		"accessControlList.permissionLevel":     texts(new(compute.ClusterPermissionLevel).Values()),
	} {
		t.Run(path, func(t *testing.T) {
			NewWithT(t).Expect(enum(t, schema, path)).To(ConsistOf(values))
		})
	}
}

func texts[Enum ~string](values []Enum) []string {
	list := make([]string, len(values))
	for i, value := range values {
		list[i] = string(value)
	}
	return list
}
