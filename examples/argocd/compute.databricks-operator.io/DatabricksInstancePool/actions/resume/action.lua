-- Leaves nothing behind that Git does not say.
obj.spec.suspend = nil
return obj
