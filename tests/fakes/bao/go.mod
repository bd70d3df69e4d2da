module fake/bao

go 1.21
