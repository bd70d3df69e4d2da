"""Fakes of services that cannot run here. Each says which published API it follows, and what it leaves out."""
