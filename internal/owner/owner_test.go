package owner

import (
	"testing"

	. "github.com/onsi/gomega"
)

const uid = "0f8fad5b-d9cb-469f-a165-70867728950e"

func TestTags(t *testing.T) {
	g := NewWithT(t)
	own := Of("0a1b2c3d", uid, "team-a", "etl")
	g.Expect(own.Tag()).To(Equal("0a1b2c3d-" + uid + "-b3f6b2ea92e9e3f1"))
	g.Expect(own.Tag()).To(HaveLen(62))
	g.Expect(Parse(own.Tag())).To(Equal(own))
	g.Expect(Of("0a1b2c3d", uid, "team", "a/etl").Name).NotTo(Equal(Of("0a1b2c3d", uid, "team/a", "etl").Name + "x"))

	short := Owner{Operator: "0a1b2c3d", UID: uid}
	g.Expect(short.Tag()).To(Equal("0a1b2c3d-" + uid))
	g.Expect(Parse(short.Tag())).To(Equal(short))
	g.Expect(Parse(short.Tag()).ID()).To(Equal(own.ID()), "tags of earlier versions name the same object")

	for tag, want := range map[string]Owner{
		"":                               {},
		"platform":                       {Operator: "platform"},
		"0a1b2c3d-x-25FF463CEE0D13F8":    {Operator: "0a1b2c3d", UID: "x-25FF463CEE0D13F8"},
		"0a1b2c3d-x-25ff463cee0d13fg":    {Operator: "0a1b2c3d", UID: "x-25ff463cee0d13fg"},
		"0a1b2c3d-25ff463cee0d13f8":      {Operator: "0a1b2c3d", UID: "25ff463cee0d13f8"},
		"0a1b2c3d-x-y-25ff463cee0d13f8":  {Operator: "0a1b2c3d", UID: "x-y", Name: "25ff463cee0d13f8"},
		"0a1b2c3d--25ff463cee0d13f8":     {Operator: "0a1b2c3d", UID: "", Name: "25ff463cee0d13f8"},
		"0a1b2c3d-x-25ff463cee0d13f8aaa": {Operator: "0a1b2c3d", UID: "x-25ff463cee0d13f8aaa"},
	} {
		g.Expect(Parse(tag)).To(Equal(want), tag)
	}
}
