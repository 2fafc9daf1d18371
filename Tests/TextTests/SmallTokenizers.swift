/// Small files of every part that is supported, with what PyPI `tokenizers` 0.23.3 makes of some texts: written by
/// `tools/golden/small_tokenizers.py`.

enum SmallTokenizers {
  struct Case: Sendable, CustomStringConvertible {
    let description: String
    /// Members of the file, and of its model, apart from the vocabulary and the merges.
    let members: String
    let options: String
    let texts: [(text: String, ids: [Int32], decoded: String)]

    var json: String { SmallTokenizers.json(members: members, options: options) }
  }

  static func json(members: String, options: String) -> String {
    """
    {"version":"1.0","truncation":null,"padding":null,\(members),"post_processor":null,\
    "model":{"type":"BPE","dropout":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,\
    \(options),"vocab":\(vocabulary),"merges":\(merges)}}
    """
  }

  static let vocabulary =
    #"{"<unk>":0,"\u2581":1,"a":2,"b":3,"c":4,"d":5,"e":6,"h":7,"t":8,"1":9,"2":10,"'":11,"s":12," ":13,"\u0120":14,"\u00e9":15,"x":16,"-":17,"\u010a":18,"th":19,"the":20,"\u2581the":21,"ab":22,"abc":23,"\u0120a":24,"\u0120the":25,"11":26,"\u2581a":27,"b-":28,"<0xC3>":29,"<0xA9>":30,"<0x0A>":31,"\u00c3":32,"\u00a9":33,"A":34,"\u00c9":35,".":36,"e\u0301":37}"#
  static let merges =
    #"[["t","h"],["th","e"],["\u2581","the"],["a","b"],["ab","c"],["\u0120","a"],["\u0120","the"],["1","1"],["\u2581","a"],["b","-"]]"#

  static let cases: [Case] = [
    Case(
      description: "words of bytes",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [20, 14, 23], "the abc"),
        (" the  a", [25, 14, 24], " the  a"),
        ("a\u{E9} 11", [2, 32, 33, 14, 26], "a\u{E9} 11"),
        ("the\nthe", [20, 18, 20], "the\nthe"),
        ("t h e", [8, 14, 7, 14, 6], "t h e"),
        ("abcab-the 's", [23, 22, 17, 20, 14, 11, 12], "abcab-the 's"),
        ("x\u{4E00} x", [16, 14, 16], "x x"),
      ]),
    Case(
      description: "words of bytes, a space before each text",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [25, 14, 23], " the abc"),
        (" the  a", [25, 14, 24], " the  a"),
        ("a\u{E9} 11", [24, 32, 33, 14, 26], " a\u{E9} 11"),
        ("the\nthe", [25, 18, 20], " the\nthe"),
        ("t h e", [14, 8, 14, 7, 14, 6], " t h e"),
        ("abcab-the 's", [14, 23, 22, 17, 20, 14, 11, 12], " abcab-the 's"),
        ("x\u{4E00} x", [14, 16, 14, 16], " x x"),
      ]),
    Case(
      description: "bytes without words",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [20, 14, 23], "the abc"),
        (" the  a", [25, 14, 24], " the  a"),
        ("a\u{E9} 11", [2, 32, 33, 14, 26], "a\u{E9} 11"),
        ("the\nthe", [20, 18, 20], "the\nthe"),
        ("t h e", [8, 14, 7, 14, 6], "t h e"),
        ("abcab-the 's", [23, 22, 17, 20, 14, 11, 12], "abcab-the 's"),
        ("x\u{4E00} x", [16, 0, 0, 0, 14, 16], "x<unk><unk><unk> x"),
      ]),
    Case(
      description: "bytes without words, unknown ones fused",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":true,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [20, 14, 23], "the abc"),
        (" the  a", [25, 14, 24], " the  a"),
        ("a\u{E9} 11", [2, 32, 33, 14, 26], "a\u{E9} 11"),
        ("the\nthe", [20, 18, 20], "the\nthe"),
        ("t h e", [8, 14, 7, 14, 6], "t h e"),
        ("abcab-the 's", [23, 22, 17, 20, 14, 11, 12], "abcab-the 's"),
        ("x\u{4E00} x", [16, 0, 14, 16], "x<unk> x"),
      ]),
    Case(
      description: "Llama's: normalizer, byte fallback, one word",
      members:
        #""added_tokens":[],"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]},"pre_tokenizer":null,"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}"#,
      options: #""unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [21, 1, 23], "the abc"),
        (" the  a", [1, 21, 1, 27], " the  a"),
        ("a\u{E9} 11", [27, 15, 1, 26], "a\u{E9} 11"),
        ("the\nthe", [21, 31, 20], "the\nthe"),
        ("t h e", [1, 8, 1, 7, 1, 6], "t h e"),
        ("abcab-the 's", [1, 23, 22, 17, 20, 1, 11, 12], "abcab-the 's"),
        ("x\u{4E00} x", [1, 16, 0, 1, 16], "x<unk> x"),
      ]),
    Case(
      description: "Metaspace before every piece",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true},"decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [21, 1, 23], "the abc"),
        (" the  a", [21, 1, 27], "the  a"),
        ("a\u{E9} 11", [27, 15, 1, 26], "a\u{E9} 11"),
        ("the\nthe", [21, 0, 20], "the<unk>the"),
        ("t h e", [1, 8, 1, 7, 1, 6], "t h e"),
        ("abcab-the 's", [1, 23, 22, 17, 20, 1, 11, 12], "abcab-the 's"),
        ("x\u{4E00} x", [1, 16, 0, 1, 16], "x<unk> x"),
      ]),
    Case(
      description: "Metaspace before the first piece, an added token between",
      members:
        #""added_tokens":[{"id":38,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":null,"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true},"decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the<s>the a", [21, 38, 20, 27], "the<s>the a"),
        (" the", [21], "the"),
        ("<s>a", [38, 2], "<s>a"),
      ]),
    Case(
      description: "Metaspace never before, not split",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never","split":false},"decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never","split":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [20, 1, 23], "the abc"),
        (" the  a", [21, 1, 27], " the  a"),
        ("a\u{E9} 11", [2, 15, 1, 26], "a\u{E9} 11"),
        ("the\nthe", [20, 0, 20], "the<unk>the"),
        ("t h e", [8, 1, 7, 1, 6], "t h e"),
        ("abcab-the 's", [23, 22, 17, 20, 1, 11, 12], "abcab-the 's"),
        ("x\u{4E00} x", [16, 0, 1, 16], "x<unk> x"),
      ]),
    Case(
      description: "split at a string, Removed",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"String":"-"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab--ab-", [22, 22], "ab ab"),
        ("-ab", [22], "ab"),
        ("b-b-", [3, 3], "b b"),
      ]),
    Case(
      description: "split at a pattern, inverted, Removed",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[ab]+(?!c)"},"behavior":"Removed","invert":true},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab--ab-", [22, 22], "ab ab"),
        ("-ab", [22], "ab"),
        ("abc11the", [2], "a"),
      ]),
    Case(
      description: "split at a string, Isolated",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"String":"-"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab--ab-", [22, 17, 17, 22, 17], "ab - - ab -"),
        ("-ab", [17, 22], "- ab"),
        ("b-b-", [3, 17, 3, 17], "b - b -"),
      ]),
    Case(
      description: "split at a pattern, inverted, Isolated",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[ab]+(?!c)"},"behavior":"Isolated","invert":true},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab--ab-", [22, 17, 17, 22, 17], "ab - - ab -"),
        ("-ab", [17, 22], "- ab"),
        ("abc11the", [2, 3, 4, 26, 20], "a b c 11 the"),
      ]),
    Case(
      description: "split at a string, MergedWithPrevious",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithPrevious","invert":false},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab--ab-", [22, 17, 17, 22, 17], "ab - - ab -"),
        ("-ab", [17, 22], "- ab"),
        ("b-b-", [28, 28], "b- b-"),
      ]),
    Case(
      description: "split at a pattern, inverted, MergedWithPrevious",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[ab]+(?!c)"},"behavior":"MergedWithPrevious","invert":true},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab--ab-", [22, 17, 17, 22, 17], "ab - - ab -"),
        ("-ab", [17, 22], "- ab"),
        ("abc11the", [23, 26, 20], "abc 11 the"),
      ]),
    Case(
      description: "split at a string, MergedWithNext",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext","invert":false},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab--ab-", [22, 17, 17, 22, 17], "ab - - ab -"),
        ("-ab", [17, 22], "- ab"),
        ("b-b-", [3, 17, 3, 17], "b - b -"),
      ]),
    Case(
      description: "split at a pattern, inverted, MergedWithNext",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[ab]+(?!c)"},"behavior":"MergedWithNext","invert":true},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab--ab-", [22, 17, 17, 22, 17], "ab - - ab -"),
        ("-ab", [17, 22], "- ab"),
        ("abc11the", [2, 3, 4, 26, 20], "a b c 11 the"),
      ]),
    Case(
      description: "split at a string, Contiguous",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"String":"-"},"behavior":"Contiguous","invert":false},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab--ab-", [22, 17, 17, 22, 17], "ab - - ab -"),
        ("-ab", [17, 22], "- ab"),
        ("b-b-", [3, 17, 3, 17], "b - b -"),
      ]),
    Case(
      description: "split at a pattern, inverted, Contiguous",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[ab]+(?!c)"},"behavior":"Contiguous","invert":true},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab--ab-", [22, 17, 17, 22, 17], "ab - - ab -"),
        ("-ab", [17, 22], "- ab"),
        ("abc11the", [2, 3, 4, 26, 20], "a b c 11 the"),
      ]),
    Case(
      description: "digits one by one",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Digits","individual_digits":true},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("a11b", [2, 9, 9, 3], "a 1 1 b"),
        ("11", [9, 9], "1 1"),
      ]),
    Case(
      description: "digits together",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Digits","individual_digits":false},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("a11b", [2, 26, 3], "a 11 b"),
        ("11", [26], "11"),
      ]),
    Case(
      description: "white space removed",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the ab\n\u{3000}the", [20, 22, 20], "the ab the")
      ]),
    Case(
      description: "words and signs",
      members: #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the-ab \u{E9}'s\u{200D}.", [20, 17, 22, 15, 11, 12, 0, 36], "the - ab \u{E9} ' s <unk> .")
      ]),
    Case(
      description: "NFC and NFD",
      members: #""added_tokens":[],"normalizer":{"type":"NFC"},"pre_tokenizer":null,"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("e\u{301}A", [15, 34], "\u{E9} A"),
        ("\u{E9}", [15], "\u{E9}"),
      ]),
    Case(
      description: "NFD",
      members: #""added_tokens":[],"normalizer":{"type":"NFD"},"pre_tokenizer":null,"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("\u{E9}", [6, 0], "e <unk>"),
        ("e\u{301}", [6, 0], "e <unk>"),
      ]),
    Case(
      description: "lower case, stripped",
      members:
        #""added_tokens":[],"normalizer":{"type":"Sequence","normalizers":[{"type":"Lowercase"},{"type":"Strip","strip_left":true,"strip_right":true}]},"pre_tokenizer":null,"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("  ABC the \n", [23, 13, 20], "abc   the"),
        ("  ", [], ""),
      ]),
    Case(
      description: "a pattern replaced",
      members:
        #""added_tokens":[],"normalizer":{"type":"Replace","pattern":{"Regex":"[12]+"},"content":"the"},"pre_tokenizer":null,"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("a1212b", [2, 20, 3], "a the b"),
        ("a 1", [2, 13, 20], "a   the"),
      ]),
    Case(
      description: "merges ignored for whole tokens",
      members: #""added_tokens":[],"normalizer":null,"pre_tokenizer":null,"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":true"#,
      texts: [
        ("b-", [28], "b-"),
        ("th", [19], "th"),
        ("e\u{301}", [37], "e\u{301}"),
      ]),
    Case(
      description: "added tokens: the longest, stripping, whole words, normalised",
      members:
        #""added_tokens":[{"id":38,"content":"<a>","single_word":false,"lstrip":true,"rstrip":true,"normalized":false,"special":false},{"id":39,"content":"<ab>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false},{"id":22,"content":"ab","single_word":true,"lstrip":false,"rstrip":false,"normalized":false,"special":false},{"id":40,"content":"THE","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":false},{"id":26,"content":"11","single_word":false,"lstrip":false,"rstrip":true,"normalized":true,"special":false}],"normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("a <a> b", [2, 38, 3], "a<a>b"),
        ("<ab<ab><a>", [22, 39, 38], "ab<ab><a>"),
        ("ab abc ab-ab", [22, 14, 23, 14, 22, 17, 22], "ab abc ab-ab"),
        ("xthe the", [16, 40, 14, 40], "xthe the"),
        ("<a>   <a>", [38, 38], "<a><a>"),
        ("a 11  a111 <a>", [2, 14, 26, 2, 26, 9, 38], "a 11a111<a>"),
        ("THE", [40], "the"),
        ("\u{E9}<a>\u{3000}<ab>", [32, 33, 38, 39], "\u{E9}<a><ab>"),
      ]),
    Case(
      description: "no decoder",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the ab", [20, 22], "the ab")
      ]),
  ]
}
