package change

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/nsscript/nsscript/runtime/journal"
)

// Read turns a journal's open intents back into ops. A kind that the vocabulary does not know is an error, as is
// whatever else is not as this nsscript writes it: it could not be undone.
func Read(kinds []Op, open []journal.Record) ([]Made, error) {
	types := map[string]reflect.Type{}
	for _, op := range kinds {
		types[op.Kind()] = reflect.TypeOf(op).Elem()
	}
	var all []Made
	for _, r := range open {
		t, ok := types[r.Kind]
		if !ok {
			return nil, fmt.Errorf("change %d is a %q, which this nsscript does not know", r.Seq, r.Kind)
		}
		op := reflect.New(t).Interface().(Op)
		err := decode(r.Data, op)
		if err == nil && r.Note != nil {
			err = decode(r.Note, op)
		}
		if err = errors.Join(err, ValidOp(op)); err != nil {
			return nil, fmt.Errorf("change %d (%s) cannot be read: %w", r.Seq, r.Kind, err)
		}
		all = append(all, Made{Seq: r.Seq, Op: op, Pos: r.Pos, Lost: r.Lost})
	}
	return all, nil
}

// decode reads an op's record: one JSON object with the op's fields and no others.
func decode(data []byte, op Op) error {
	if text := bytes.TrimSpace(data); len(text) == 0 || text[0] != '{' {
		return errors.New("it is no object")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(op); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows it")
	}
	return nil
}

// ValidOp says what in an op is not as nsscript writes it: it asks the op, and all in it that can tell.
func ValidOp(op Op) error { return validValue(reflect.ValueOf(op)) }

func validValue(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return validValue(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range v.Len() {
			at := v.Index(i)
			if at.Kind() == reflect.Pointer && at.IsNil() {
				return errors.New("there is a null in a list")
			}
			if err := validValue(at); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Field(i).CanInterface() { // it is not exported, and not written
				continue
			}
			if err := validValue(v.Field(i)); err != nil {
				return err
			}
		}
		if v.CanAddr() {
			v = v.Addr()
		}
		if c, ok := v.Interface().(Checkable); ok {
			return c.Valid()
		}
	}
	return nil
}
