package tenancy

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func TestViolation(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules v1alpha1.DatabricksWorkspaceSpec
		spec  v1alpha1.ClusterSpec
		want  string
	}{
		{"no rules", v1alpha1.DatabricksWorkspaceSpec{}, v1alpha1.ClusterSpec{PolicyID: "P1"}, ""},
		{"a permitted policy", v1alpha1.DatabricksWorkspaceSpec{AllowedPolicyIDs: []string{"P1"}}, v1alpha1.ClusterSpec{PolicyID: "P1"}, ""},
		{
			"another policy",
			v1alpha1.DatabricksWorkspaceSpec{AllowedPolicyIDs: []string{"P1", "P2"}},
			v1alpha1.ClusterSpec{PolicyID: "P3"},
			`spec.policyID "P3" is not permitted: set it to one of P1, P2, as DatabricksWorkspace "prod" requires, or ask your platform team`,
		},
		{
			"another policy than the only one",
			v1alpha1.DatabricksWorkspaceSpec{AllowedPolicyIDs: []string{"P1"}},
			v1alpha1.ClusterSpec{PolicyID: "P3"},
			`spec.policyID "P3" is not permitted: set it to one of P1, as DatabricksWorkspace "prod" requires, or ask your platform team`,
		},
		{"any policy where one is required", v1alpha1.DatabricksWorkspaceSpec{RequirePolicy: true}, v1alpha1.ClusterSpec{PolicyID: "P3"}, ""},
		{
			"a permitted policy where one is required",
			v1alpha1.DatabricksWorkspaceSpec{RequirePolicy: true, AllowedPolicyIDs: []string{"P1"}},
			v1alpha1.ClusterSpec{PolicyID: "P1"},
			"",
		},
		{"no policy where none is required", v1alpha1.DatabricksWorkspaceSpec{AllowedPolicyIDs: []string{"P1"}}, v1alpha1.ClusterSpec{}, ""},
		{
			"no policy",
			v1alpha1.DatabricksWorkspaceSpec{RequirePolicy: true},
			v1alpha1.ClusterSpec{},
			`spec.policyID is missing: set it, as DatabricksWorkspace "prod" requires, or ask your platform team`,
		},
		{
			"no policy of a list",
			v1alpha1.DatabricksWorkspaceSpec{RequirePolicy: true, AllowedPolicyIDs: []string{"P1"}},
			v1alpha1.ClusterSpec{},
			`spec.policyID is missing: set it to one of P1, as DatabricksWorkspace "prod" requires, or ask your platform team`,
		},
		{
			"a forbidden field",
			v1alpha1.DatabricksWorkspaceSpec{ForbiddenFields: []string{"initScripts", "sparkConf"}},
			v1alpha1.ClusterSpec{SparkConf: map[string]string{"a": "b"}},
			`spec.sparkConf is not permitted: remove it, as DatabricksWorkspace "prod" requires, or ask your platform team`,
		},
		{
			"a forbidden member",
			v1alpha1.DatabricksWorkspaceSpec{ForbiddenFields: []string{"awsAttributes.instanceProfileARN"}},
			v1alpha1.ClusterSpec{AWSAttributes: &v1alpha1.AWSAttributes{InstanceProfileARN: "arn:aws:iam::1:instance-profile/x"}},
			`spec.awsAttributes.instanceProfileARN is not permitted: remove it, as DatabricksWorkspace "prod" requires, or ask your platform team`,
		},
		{
			"another member of the same block",
			v1alpha1.DatabricksWorkspaceSpec{ForbiddenFields: []string{"awsAttributes.instanceProfileARN"}},
			v1alpha1.ClusterSpec{AWSAttributes: &v1alpha1.AWSAttributes{ZoneID: "auto"}},
			"",
		},
		{
			"a member of a field that has none",
			v1alpha1.DatabricksWorkspaceSpec{ForbiddenFields: []string{"clusterName.prefix"}},
			v1alpha1.ClusterSpec{ClusterName: "etl"},
			"",
		},
	} {
		t.Run("[S12] "+c.name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := Violation("prod", &c.rules, &v1alpha1.DatabricksClusterSpec{ClusterSpec: c.spec})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(c.want))
		})
	}
}

func TestUnknownField(t *testing.T) {
	for field, want := range map[string]string{
		"initScripts": "", "sparkConf": "", "awsAttributes.instanceProfileARN": "", "runPolicy": "", "updateStrategy.type": "",
		"initscripts": "initscripts", "awsAttributes.profile": "awsAttributes.profile", "sparkConf.a": "sparkConf.a", "initScripts.workspace": "initScripts.workspace",
		"instanceProfileARN": "instanceProfileARN",
	} {
		t.Run(field, func(t *testing.T) {
			NewWithT(t).Expect(UnknownField(&v1alpha1.DatabricksWorkspaceSpec{ForbiddenFields: []string{field}})).To(Equal(want))
		})
	}
}
