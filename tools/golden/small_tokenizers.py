"""Writes Tests/TextTests/SmallTokenizers.swift: small tokenizer.json files of every supported part, and what PyPI
tokenizers makes of some texts.

    env/bin/pip install tokenizers==0.23.3
    env/bin/python tools/golden/small_tokenizers.py Tests/TextTests/SmallTokenizers.swift
"""
import json
from tokenizers import Tokenizer
TOK=["<unk>","▁","a","b","c","d","e","h","t","1","2","'","s"," ","Ġ","é","x","-","Ċ","th","the","▁the","ab","abc","Ġa","Ġthe","11","▁a","b-","<0xC3>","<0xA9>","<0x0A>","Ã","©","A","É",".","e\u0301"]
MER=[["t","h"],["th","e"],["▁","the"],["a","b"],["ab","c"],["Ġ","a"],["Ġ","the"],["1","1"],["▁","a"],["b","-"]]
def base(**k):
    return {"version":"1.0","truncation":None,"padding":None,"added_tokens":k.get("added",[]),"normalizer":k.get("normalizer"),"pre_tokenizer":k.get("pre_tokenizer"),"post_processor":None,"decoder":k.get("decoder"),"model":dict({"type":"BPE","dropout":None,"unk_token":k.get("unk"),"continuing_subword_prefix":None,"end_of_word_suffix":k.get("suffix"),"fuse_unk":k.get("fuse",False),"byte_fallback":k.get("bf",False),"ignore_merges":k.get("im",False),"vocab":{t:i for i,t in enumerate(k.get("tok",TOK))},"merges":k.get("mer",MER)})}
def add(i,c,**k): return dict({"id":i,"content":c,"single_word":False,"lstrip":False,"rstrip":False,"normalized":False,"special":False},**k)
BLd={"type":"ByteLevel","add_prefix_space":False,"trim_offsets":True,"use_regex":True}
BL=lambda p=False,r=True:{"type":"ByteLevel","add_prefix_space":p,"trim_offsets":True,"use_regex":r}
SPd={"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}
MS=lambda s,sp=True:{"type":"Metaspace","replacement":"▁","prepend_scheme":s,"split":sp}
SPn={"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}
Sp=lambda p,b,i=False:{"type":"Split","pattern":p,"behavior":b,"invert":i}
R=lambda p:{"Regex":p}
ST=lambda p:{"String":p}
SQ=lambda *l:{"type":"Sequence","pretokenizers":list(l)}
C=[]
def case(name,texts,**k):
    j=base(**k); t=Tokenizer.from_str(json.dumps(j)); rows=[]
    for x in texts:
        ids=t.encode(x,add_special_tokens=False).ids
        rows.append((x,ids,t.decode(ids,skip_special_tokens=False)))
    C.append((name,k,rows))
tx=["","the abc"," the  a","aé 11","the\nthe","t h e","abcab-the 's","x\u4e00 x"]
case("words of bytes",tx,pre_tokenizer=BL(),decoder=BLd)
case("words of bytes, a space before each text",tx,pre_tokenizer=BL(True),decoder=BLd)
case("bytes without words",tx,pre_tokenizer=BL(False,False),decoder=BLd,unk="<unk>")
case("bytes without words, unknown ones fused",tx,pre_tokenizer=BL(False,False),decoder=BLd,unk="<unk>",fuse=True)
case("Llama's: normalizer, byte fallback, one word",tx,normalizer=SPn,decoder=SPd,unk="<unk>",fuse=True,bf=True)
case("Metaspace before every piece",tx,pre_tokenizer=MS("always"),decoder=MS("always"),unk="<unk>")
case("Metaspace before the first piece, an added token between",["the<s>the a"," the","<s>a"],pre_tokenizer=MS("first"),decoder=MS("first"),unk="<unk>",added=[add(38,"<s>",special=True)])
case("Metaspace never before, not split",tx,pre_tokenizer=MS("never",False),decoder=MS("never"),unk="<unk>")
for b in ["Removed","Isolated","MergedWithPrevious","MergedWithNext","Contiguous"]:
    case("split at a string, "+b,["ab--ab-","-ab","b-b-"],pre_tokenizer=Sp(ST("-"),b))
    case("split at a pattern, inverted, "+b,["ab--ab-","-ab","abc11the"],pre_tokenizer=Sp(R(r"[ab]+(?!c)"),b,True))
case("digits one by one",["a11b","11"],pre_tokenizer={"type":"Digits","individual_digits":True})
case("digits together",["a11b","11"],pre_tokenizer={"type":"Digits","individual_digits":False})
case("white space removed",["the ab\n\u3000the"],pre_tokenizer={"type":"WhitespaceSplit"})
case("words and signs",["the-ab é's\u200d."],pre_tokenizer={"type":"Whitespace"},unk="<unk>")
case("NFC and NFD",["e\u0301A","é"],normalizer={"type":"NFC"},unk="<unk>")
case("NFD",["é","e\u0301"],normalizer={"type":"NFD"},unk="<unk>")
case("lower case, stripped",["  ABC the \n","  "],normalizer={"type":"Sequence","normalizers":[{"type":"Lowercase"},{"type":"Strip","strip_left":True,"strip_right":True}]})
case("a pattern replaced",["a1212b","a 1"],normalizer={"type":"Replace","pattern":{"Regex":"[12]+"},"content":"the"})
case("merges ignored for whole tokens",["b-","th","e\u0301"],im=True)
A=[add(38,"<a>",lstrip=True,rstrip=True),add(39,"<ab>"),add(22,"ab",single_word=True),add(40,"THE",normalized=True),add(26,"11",normalized=True,rstrip=True)]
case("added tokens: the longest, stripping, whole words, normalised",["a <a> b","<ab<ab><a>","ab abc ab-ab","xthe the","<a>   <a>","a 11  a111 <a>","THE","é<a>\u3000<ab>"],normalizer={"type":"Lowercase"},pre_tokenizer=BL(),decoder=BLd,added=A)
case("no decoder",["the ab"],pre_tokenizer={"type":"WhitespaceSplit"})
for b in ["Removed","Isolated","MergedWithPrevious","MergedWithNext","Contiguous"]:
    case("punctuation, "+b,["ab-.-the.","-ab","b-b\u2e43-$\u166d11"],pre_tokenizer={"type":"Punctuation","behavior":b},unk="<unk>")
case("cut at a character",["abtheab","xx"],pre_tokenizer={"type":"CharDelimiterSplit","delimiter":"x"})
case("cut at a letter",["theaththe"],pre_tokenizer={"type":"CharDelimiterSplit","delimiter":"h"})
case("pieces of two characters",["abcthe11\u00e9x1","a"],pre_tokenizer={"type":"FixedLength","length":2},unk="<unk>")
case("BERT's words",["the-abc 11\u3000the","b-\u2028b-"],pre_tokenizer={"type":"BertPreTokenizer"},unk="<unk>")
for name,p in [("a script",r"\p{Han}|\p{Latin}{2}"),("sets in common",r"[a-t&&[^e]]+"),("more sets in common",r"[^a-d&&b-h]+|[\p{L}&&[^\p{Latin}]]"),
    ("a set in either case",r"(?i:[A-Bh]+|'[ST])"),("repeated groups",r"(?:ab|c)+|(?:the)*+t"),("looking behind",r"(?<=t)h|(?<!a|th)b"),
    ("looking behind across a match",r"t|(?<=t)h"),("places",r"\bt|c\b|^a|1$|\A-|-\z"),("as short as possible",r"t.+?e|(?:a|b)??c"),
    ("atomic groups",r"(?>ab|a)c|(?:t|th)e"),("a flag",r"(?i)TH|B"),("an interval again",r"1{1,2}+a"),("a number of groups",r"(?:1[ab]){2,3}")]:
    case("a pattern with "+name,["the abcabt the","\u5b57ab\u5b57","'S thTHa b","11a1a1b1ab-","-cb-"],pre_tokenizer=Sp(R(p),"Isolated"),unk="<unk>")
    case("removed: a pattern with "+name,["the abcab-the11"],pre_tokenizer=Sp(R(p),"Removed",r"Latin" in p),unk="<unk>")
case("replaced after looking behind",["tthth the"],normalizer={"type":"Replace","pattern":R(r"(?<=h)t|(?<=t)t"),"content":"ab"})
n=["\uff21\u00e9\ufb01\u2460 e\u0301","\u1112\u1161\u11ab\uff76\uff9e","the\u0301 \u00c9\u4e00the\u1f600","a\u0300b\u00ad\u200b\x07c\t1","\u1cf2\u0345 \ufdfa"]
for t in ["NFKC","NFKD","StripAccents","Nmt"]: case(t,n,normalizer={"type":t},unk="<unk>",pre_tokenizer=BL(),decoder=BLd)
case("compatible form, accents off",n,normalizer={"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"StripAccents"}]},unk="<unk>")
BN=lambda c,h,s,l:{"type":"BertNormalizer","clean_text":c,"handle_chinese_chars":h,"strip_accents":s,"lowercase":l}
for k in [(True,False,False,False),(False,True,False,False),(False,False,True,False),(True,True,None,True)]:
    case("BERT's normalising %s %s %s %s"%k,n,normalizer=BN(*k),unk="<unk>",pre_tokenizer=BL(),decoder=BLd)
case("bytes spelled by the normalizer",["a\u00e9 the\n"],normalizer={"type":"ByteLevel"},decoder=BLd)
for x in [{"type":"Strip","strip_left":True,"strip_right":False},{"type":"Nmt"},{"type":"StripAccents"},{"type":"Replace","pattern":ST("x"),"content":""},{"type":"Replace","pattern":R(r"x|\s"),"content":""}]:
    case("a sign before the first piece, unless its beginning is dropped by "+x["type"]+("" if "pattern" not in x else " "+list(x["pattern"])[0]),
        ["the a"," the a","\x07the","\u0301the","xthe x","x \x07the"],normalizer=x,pre_tokenizer=MS("first"),decoder=MS("first"),unk="<unk>")
US={"type":"UnicodeScripts"}
us=["the abc","  \u0301the ab"," ","a1 b-'s","\u3042\u30fc\u4e00\u30a2 ab\u3002c","\u0430ab \u0430 b","a\u0958\u0953\u0915a","a\u20bfb\U0001f600\ua7b8a","\u0561\u0589 1\u061c\u0628",".\u00d7a"]
case("where scripts change",us,pre_tokenizer=US,unk="<unk>")
case("where scripts change, of bytes",us,pre_tokenizer=SQ(US,BL(False,False)),decoder=BLd,unk="<unk>")
case("a sign before the first of the scripts",us,pre_tokenizer=SQ(US,MS("first")),decoder=MS("first"),unk="<unk>")
W="</w>"
TOKW=["<unk>","a","b","c","e","h","t","x","\u00e9","\u0120","\u00c3","\u00a9","1","a"+W,"b"+W,"c"+W,"e"+W,"h"+W,"t"+W,"x"+W,"the","\u0120"+W,"\u00a9"+W,"1"+W,"th","the"+W,"ab","ab"+W,"abc"+W,W,"1"+W+"1","<0xC3>","<0xA9>","<0x3C>","<0x2F>","<0x77>","<0x3E>","\u00e9"+W]
MERW=[["t","h"],["th","e"+W],["a","b"],["a","b"+W],["ab","c"+W],["th","e"]]
tw=["","the abc","  the  ab a","the\nthex","t h e","abcab-the 's","x\u4e00 \u4e00 1","a\u00e9 \u00e9a \u00e9","the</w> 1</w>1","th\u4e00\u4e01"]
DW={"type":"BPEDecoder","suffix":W}
WS={"type":"WhitespaceSplit"}
def ends(name,**k): case("ends of words: "+name,tw,suffix=W,tok=TOKW,mer=MERW,**k)
ends("GPT's, unknown characters told",pre_tokenizer={"type":"BertPreTokenizer"},decoder=DW,unk="<unk>")
ends("unknown characters left out",pre_tokenizer=WS,decoder=DW)
ends("CLIP's, of spelled bytes",normalizer={"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]},pre_tokenizer=SQ(Sp(R(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"),"Removed",True),BL(False,True)),decoder=BLd,unk="<unk>")
ends("bytes for unknown characters",pre_tokenizer=WS,decoder=DW,unk="<unk>",bf=True)
ends("whole tokens",pre_tokenizer=WS,decoder=DW,unk="<unk>",im=True)
ends("one word, unknown characters fused",decoder=DW,unk="<unk>",fuse=True)
ends("no decoder",pre_tokenizer=WS,unk="<unk>")
ends("an added token between",pre_tokenizer=WS,decoder=DW,unk="<unk>",added=[add(38,"<s>",special=True)])
T=[]
ST2=lambda a,b:{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":a,"type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":b,"type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":0}}],"special_tokens":{a:{"id":a,"ids":[TOK.index(a)],"tokens":[a]},b:{"id":b,"ids":[TOK.index(b)],"tokens":[b]}}}
PR={"RobertaProcessing":{"type":"RobertaProcessing","sep":["x",16],"cls":["c",4],"trim_offsets":True,"add_prefix_space":False},"BertProcessing":{"type":"BertProcessing","sep":["1",9],"cls":["2",10]},"TemplateProcessing":ST2("a","b")}
PR["Sequence"]={"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":True,"trim_offsets":False,"use_regex":True},PR["BertProcessing"]]}
for p in PR.values():
    j=base(pre_tokenizer=BL()); j["post_processor"]=p
    j["truncation"]={"direction":"Right","max_length":512,"strategy":"LongestFirst","stride":0}
    j["padding"]={"strategy":"BatchLongest","direction":"Right","pad_to_multiple_of":None,"pad_id":0,"pad_type_id":0,"pad_token":"<unk>"}
    t=Tokenizer.from_str(json.dumps(j)); t.no_padding(); t.no_truncation(); T.append((p,t.encode("the").ids,t.encode("").ids))
json_s=lambda v: json.dumps(v,ensure_ascii=True,separators=(",",":"))
def sw(s):
    o='"'
    for ch in s:
        if ch in '"\\': o+='\\'+ch
        elif ch=='\n': o+='\\n'
        elif 0x20<=ord(ch)<0x7f: o+=ch
        else: o+='\\u{%X}'%ord(ch)
    return o+'"'
out=['''/// Small files of every part that is supported, with what PyPI `tokenizers` 0.23.3 makes of some texts: written by
/// `tools/golden/small_tokenizers.py`.

enum SmallTokenizers {
  struct Case: Sendable, CustomStringConvertible {
    let description: String
    /// Members of the file, and of its model, apart from the vocabulary and the merges.
    let members: String
    let options: String
    let texts: [(text: String, ids: [Int32], decoded: String)]
    /// The vocabulary and the merges, where they are not the common ones.
    var words: (vocabulary: String, merges: String) = (vocabulary, merges)

    var json: String { SmallTokenizers.json(members: members, options: options, words: words) }
  }

  static func json(
    members: String, options: String, words: (vocabulary: String, merges: String) = (vocabulary, merges)
  ) -> String {
    """
    {"version":"1.0","truncation":null,"padding":null,\\(members),"post_processor":null,\\
    "model":{"type":"BPE","dropout":null,"continuing_subword_prefix":null,\\
    \\(options),"vocab":\\(words.vocabulary),"merges":\\(words.merges)}}
    """
  }

  static let vocabulary = #"'''+json_s({t:i for i,t in enumerate(TOK)})+'''"#
  static let merges = #"'''+json_s(MER)+'''"#
  /// Tokens that end words.
  static let ends = (#"'''+json_s({t:i for i,t in enumerate(TOKW)})+'''"#, #"'''+json_s(MERW)+'''"#)

  static let cases: [Case] = [''']
for name,k,rows in C:
    j=base(**k); mem={x:j[x] for x in("added_tokens","normalizer","pre_tokenizer","decoder")}; opt={x:j["model"][x] for x in("unk_token","end_of_word_suffix","fuse_unk","byte_fallback","ignore_merges") if x!="end_of_word_suffix" or x in j["model"] and j["model"][x]}
    out.append("    Case(\n      description: %s,\n      members: #\"%s\"#,\n      options: #\"%s\"#,\n      texts: ["%(sw(name),json_s(mem)[1:-1],json_s(opt)[1:-1]))
    for x,i,d in rows: out.append("        (%s, %s, %s),"%(sw(x),i,sw(d)))
    out.append("      ]"+(", words: ends" if "suffix" in k else "")+"),")
out.append("  ]\n\n  /// What stands around a document.\n  static let templates: [(processor: String, ids: [Int32], empty: [Int32])] = [")
for p,i,e in T: out.append("    (#\"%s\"#, %s, %s),"%(json_s(p),i,e))
out.append("  ]\n}\n")
import sys
open(sys.argv[1],'w').write('\n'.join(out))
print(len(C))
