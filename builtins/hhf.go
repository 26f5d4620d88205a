package builtins

import "strconv"

// Queues that keep the flows apart which send too much (tc-hhf(8), tc-sfb(8)).
var (
	hhfQdisc = declareTC(tcKind{Name: "hhf", Args: &hhfArgs{},
		Doc: "has those few flows wait which send most of the bytes"})
	sfbQdisc = declareTC(tcKind{Name: "sfb", Args: &sfbArgs{}, Sizes: map[int]int{1: 36}, Fill: fillSFB,
		Doc: "drops packets of a flow the likelier, the more of it wait, and holds back flows that do not care"})
)

type hhfArgs struct {
	Limit   *whole[width32]  `arg:"limit?" nla:"1" doc:"packets that it holds; 1000 when left out"`
	Quantum *sizeIn[width32] `arg:"quantum?" nla:"2" doc:"bytes that a class may send before the next one may; the mtu when left out"`
	HHLimit *whole[width32]  `arg:"hh_limit?" nla:"3" doc:"heavy flows that it keeps apart; 2048 when left out"`
	Reset   *tcMicros        `arg:"reset_timeout?" nla:"4" doc:"how often it begins to count again: \"40ms\""`
	Admit   *plainSize       `arg:"admit_bytes?" nla:"5" doc:"bytes in that time that make a flow a heavy one: \"128kb\""`
	Evict   *tcMicros        `arg:"evict_timeout?" nla:"6" doc:"how long a heavy flow is idle until it is none: \"1s\""`
	Weight  *whole[width32]  `arg:"non_hh_weight?" nla:"7" doc:"how much more the other flows may send; 2 when left out"`
}

type sfbArgs struct {
	Rehash    *sfbMillis      `arg:"rehash?" nla:"1+0" doc:"how often the hash changes: \"600s\" (when left out)"`
	Warmup    *sfbMillis      `arg:"db?" nla:"1+4" doc:"how long before that the next hash is filled: \"60s\" (when left out)"`
	Limit     *whole[width32] `arg:"limit?" nla:"1+24" doc:"packets that it holds; the link's txqlen when left out"`
	Max       *whole[width32] `arg:"max?" nla:"1+8" doc:"packets of a flow that wait at most; 25 when left out"`
	Target    *whole[width32] `arg:"target?" nla:"1+12" doc:"packets of a flow above which they are dropped likelier; 4/5 of max= when left out"`
	Increment *sfbChance      `arg:"increment?" nla:"1+16" doc:"how much likelier: \"0.05%\" (when left out)"`
	Decrement *sfbChance      `arg:"decrement?" nla:"1+20" doc:"how much less likely they are dropped when none waits: \"0.005%\" (when left out)"`
	Rate      *whole[width32] `arg:"penalty_rate?" nla:"1+28" doc:"packets a second of flows that do not care about losses; 10 when left out"`
	Burst     *whole[width32] `arg:"penalty_burst?" nla:"1+32" doc:"packets of these that can pass at once; 20 when left out"`
}

// A sfbMillis is a time that tc-sfb(8) takes as a number of milliseconds.
type sfbMillis = lasting[inMilliseconds, width32]

// fillSFB is what tc-sfb(8) adds to a new one, where nothing is given.
func fillSFB(o *tcOptions, given map[string]kindAttr) error {
	usual := func(word string, offset, n int) {
		if o.new && given[word] == nil {
			o.setNumber(tcPlace{0, 1, offset}, n)
		}
	}
	usual("rehash", 0, 600000)
	usual("db", 4, 60000)
	usual("max", 8, 25)
	usual("target", 12, (o.number(tcPlace{0, 1, 8})*4+3)/5)
	usual("increment", 16, (sfbWhole+1000)/2000)
	usual("decrement", 20, (sfbWhole+10000)/20000)
	usual("penalty_rate", 28, 10)
	usual("penalty_burst", 32, 20)
	return nil
}

// plainSize is a number of bytes that tc(8) takes without a unit.
type plainSize struct{ sizeIn[width32] }

func (a plainSize) ip(word string) string { return word + " " + itoa(int(a.sizeIn)) }

const sfbWhole = 1<<16 - 1 // SFB_MAX_PROB

// sfbChance is a part of a hundred, of sfbWhole to the kernel.
type sfbChance struct{ percent }

func (a sfbChance) number() int {
	return int((uint64(a.percent)*sfbWhole + wholePercent/2) / wholePercent)
}

func (a sfbChance) encode() []byte { return encodeNumber[width32](a.number()) }
func (a *sfbChance) decode(data []byte) {
	a.percent = percent(decodeNumber[width32](data) * (wholePercent / sfbWhole))
}
func (a sfbChance) ip(word string) string {
	for digits := 1; ; digits++ {
		text := strconv.FormatFloat(float64(a.number())/sfbWhole, 'f', digits, 64)
		if f, err := strconv.ParseFloat(text, 64); err == nil && int(f*sfbWhole+0.5) == a.number() || digits == 12 {
			return word + " " + text
		}
	}
}
