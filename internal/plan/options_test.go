package plan

import "github.com/kferry/kferry/internal/translate"

var quickTranslate = translate.Options{Header: header}
