/// Small files of every part that is supported, with what PyPI `tokenizers` 0.23.3 makes of some texts: written by
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
    {"version":"1.0","truncation":null,"padding":null,\(members),"post_processor":null,\
    "model":{"type":"BPE","dropout":null,"continuing_subword_prefix":null,\
    \(options),"vocab":\(words.vocabulary),"merges":\(words.merges)}}
    """
  }

  static let vocabulary =
    #"{"<unk>":0,"\u2581":1,"a":2,"b":3,"c":4,"d":5,"e":6,"h":7,"t":8,"1":9,"2":10,"'":11,"s":12," ":13,"\u0120":14,"\u00e9":15,"x":16,"-":17,"\u010a":18,"th":19,"the":20,"\u2581the":21,"ab":22,"abc":23,"\u0120a":24,"\u0120the":25,"11":26,"\u2581a":27,"b-":28,"<0xC3>":29,"<0xA9>":30,"<0x0A>":31,"\u00c3":32,"\u00a9":33,"A":34,"\u00c9":35,".":36,"e\u0301":37}"#
  static let merges =
    #"[["t","h"],["th","e"],["\u2581","the"],["a","b"],["ab","c"],["\u0120","a"],["\u0120","the"],["1","1"],["\u2581","a"],["b","-"]]"#
  /// Tokens that end words.
  static let ends = (
    #"{"<unk>":0,"a":1,"b":2,"c":3,"e":4,"h":5,"t":6,"x":7,"\u00e9":8,"\u0120":9,"\u00c3":10,"\u00a9":11,"1":12,"a</w>":13,"b</w>":14,"c</w>":15,"e</w>":16,"h</w>":17,"t</w>":18,"x</w>":19,"the":20,"\u0120</w>":21,"\u00a9</w>":22,"1</w>":23,"th":24,"the</w>":25,"ab":26,"ab</w>":27,"abc</w>":28,"</w>":29,"1</w>1":30,"<0xC3>":31,"<0xA9>":32,"<0x3C>":33,"<0x2F>":34,"<0x77>":35,"<0x3E>":36,"\u00e9</w>":37}"#,
    #"[["t","h"],["th","e</w>"],["a","b"],["a","b</w>"],["ab","c</w>"],["th","e"]]"#
  )

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
    Case(
      description: "punctuation, Removed",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Punctuation","behavior":"Removed"},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab-.-the.", [22, 20], "ab the"),
        ("-ab", [22], "ab"),
        ("b-b\u{2E43}-$\u{166D}11", [3, 3, 0, 26], "b b <unk> 11"),
      ]),
    Case(
      description: "punctuation, Isolated",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Punctuation","behavior":"Isolated"},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab-.-the.", [22, 17, 36, 17, 20, 36], "ab - . - the ."),
        ("-ab", [17, 22], "- ab"),
        ("b-b\u{2E43}-$\u{166D}11", [3, 17, 3, 0, 17, 0, 0, 26], "b - b <unk> - <unk> <unk> 11"),
      ]),
    Case(
      description: "punctuation, MergedWithPrevious",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Punctuation","behavior":"MergedWithPrevious"},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab-.-the.", [22, 17, 36, 17, 20, 36], "ab - . - the ."),
        ("-ab", [17, 22], "- ab"),
        ("b-b\u{2E43}-$\u{166D}11", [28, 3, 0, 17, 0, 0, 26], "b- b <unk> - <unk> <unk> 11"),
      ]),
    Case(
      description: "punctuation, MergedWithNext",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Punctuation","behavior":"MergedWithNext"},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab-.-the.", [22, 17, 36, 17, 20, 36], "ab - . - the ."),
        ("-ab", [17, 22], "- ab"),
        ("b-b\u{2E43}-$\u{166D}11", [3, 17, 3, 0, 17, 0, 0, 26], "b - b <unk> - <unk> <unk> 11"),
      ]),
    Case(
      description: "punctuation, Contiguous",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Punctuation","behavior":"Contiguous"},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("ab-.-the.", [22, 17, 36, 17, 20, 36], "ab - . - the ."),
        ("-ab", [17, 22], "- ab"),
        ("b-b\u{2E43}-$\u{166D}11", [3, 17, 3, 0, 17, 0, 0, 26], "b - b <unk> - <unk> <unk> 11"),
      ]),
    Case(
      description: "cut at a character",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"CharDelimiterSplit","delimiter":"x"},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("abtheab", [22, 20, 22], "ab the ab"),
        ("xx", [], ""),
      ]),
    Case(
      description: "cut at a letter",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"CharDelimiterSplit","delimiter":"h"},"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("theaththe", [8, 6, 2, 8, 8, 6], "t e a t t e")
      ]),
    Case(
      description: "pieces of two characters",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"FixedLength","length":2},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("abcthe11\u{E9}x1", [22, 4, 8, 7, 6, 26, 15, 16, 9], "ab c t h e 11 \u{E9} x 1"),
        ("a", [2], "a"),
      ]),
    Case(
      description: "BERT's words",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the-abc 11\u{3000}the", [20, 17, 23, 26, 20], "the - abc 11 the"),
        ("b-\u{2028}b-", [3, 17, 3, 17], "b - b -"),
      ]),
    Case(
      description: "a pattern with a script",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{Han}|\\p{Latin}{2}"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [19, 6, 13, 22, 4, 2, 3, 8, 13, 19, 6], "th e   ab c a b t   th e"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 19, 0, 0, 2, 13, 3], "' <unk>   th <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 22, 17], "11 a 1 a 1 b 1 ab -"),
        ("-cb-", [17, 4, 3, 17], "- c b -"),
      ]),
    Case(
      description: "removed: a pattern with a script",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{Han}|\\p{Latin}{2}"},"behavior":"Removed","invert":true},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [19, 22, 4, 2, 19], "th ab c a th")
      ]),
    Case(
      description: "a pattern with sets in common",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a-t&&[^e]]+"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [19, 6, 13, 23, 22, 8, 13, 19, 6], "th e   abc ab t   th e"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 19, 0, 0, 2, 13, 3], "' <unk>   th <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 22, 17], "11 a 1 a 1 b 1 ab -"),
        ("-cb-", [17, 4, 3, 17], "- c b -"),
      ]),
    Case(
      description: "removed: a pattern with sets in common",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a-t&&[^e]]+"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [6, 13, 17, 6, 26], "e   - e 11")
      ]),
    Case(
      description: "a pattern with more sets in common",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[^a-d&&b-h]+|[\\p{L}&&[^\\p{Latin}]]"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [20, 13, 2, 3, 4, 2, 3, 8, 13, 20], "the   a b c a b t   the"),
        ("\u{5B57}ab\u{5B57}", [0, 2, 3, 0], "<unk> a b <unk>"),
        ("'S thTHa b", [11, 0, 13, 19, 0, 0, 2, 13, 3], "' <unk>   th <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 2, 3, 17], "11 a 1 a 1 b 1 a b -"),
        ("-cb-", [17, 4, 3, 17], "- c b -"),
      ]),
    Case(
      description: "removed: a pattern with more sets in common",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[^a-d&&b-h]+|[\\p{L}&&[^\\p{Latin}]]"},"behavior":"Removed","invert":true},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [20, 13, 2, 2, 17, 20, 26], "the   a a - the 11")
      ]),
    Case(
      description: "a pattern with a set in either case",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?i:[A-Bh]+|'[ST])"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [8, 7, 6, 13, 22, 4, 22, 8, 13, 8, 7, 6], "t h e   ab c ab t   t h e"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 8, 7, 0, 0, 2, 13, 3], "' <unk>   t h <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 22, 17], "11 a 1 a 1 b 1 ab -"),
        ("-cb-", [17, 4, 3, 17], "- c b -"),
      ]),
    Case(
      description: "removed: a pattern with a set in either case",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?i:[A-Bh]+|'[ST])"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [8, 6, 13, 4, 17, 8, 6, 26], "t e   c - t e 11")
      ]),
    Case(
      description: "a pattern with repeated groups",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?:ab|c)+|(?:the)*+t"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [20, 13, 23, 22, 8, 13, 20], "the   abc ab t   the"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 8, 7, 0, 0, 2, 13, 3], "' <unk>   t h <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 22, 17], "11 a 1 a 1 b 1 ab -"),
        ("-cb-", [17, 4, 28], "- c b-"),
      ]),
    Case(
      description: "removed: a pattern with repeated groups",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?:ab|c)+|(?:the)*+t"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [20, 13, 17, 20, 26], "the   - the 11")
      ]),
    Case(
      description: "a pattern with looking behind",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?<=t)h|(?<!a|th)b"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [8, 7, 6, 13, 23, 22, 8, 13, 8, 7, 6], "t h e   abc ab t   t h e"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 8, 7, 0, 0, 2, 13, 3], "' <unk>   t h <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 22, 17], "11 a 1 a 1 b 1 ab -"),
        ("-cb-", [17, 4, 3, 17], "- c b -"),
      ]),
    Case(
      description: "removed: a pattern with looking behind",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?<=t)h|(?<!a|th)b"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [8, 6, 13, 23, 22, 17, 8, 6, 26], "t e   abc ab - t e 11")
      ]),
    Case(
      description: "a pattern with looking behind across a match",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"t|(?<=t)h"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [8, 7, 6, 13, 23, 22, 8, 13, 8, 7, 6], "t h e   abc ab t   t h e"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 8, 7, 0, 0, 2, 13, 3], "' <unk>   t h <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 22, 17], "11 a 1 a 1 b 1 ab -"),
        ("-cb-", [17, 4, 28], "- c b-"),
      ]),
    Case(
      description: "removed: a pattern with looking behind across a match",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"t|(?<=t)h"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [6, 13, 23, 22, 17, 6, 26], "e   abc ab - e 11")
      ]),
    Case(
      description: "a pattern with places",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\bt|c\\b|^a|1$|\\A-|-\\z"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [8, 7, 6, 13, 23, 22, 8, 13, 8, 7, 6], "t h e   abc ab t   t h e"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 8, 7, 0, 0, 2, 13, 3], "' <unk>   t h <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 22, 17], "11 a 1 a 1 b 1 ab -"),
        ("-cb-", [17, 4, 3, 17], "- c b -"),
      ]),
    Case(
      description: "removed: a pattern with places",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\bt|c\\b|^a|1$|\\A-|-\\z"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [7, 6, 13, 23, 22, 17, 7, 6, 9], "h e   abc ab - h e 1")
      ]),
    Case(
      description: "a pattern with as short as possible",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"t.+?e|(?:a|b)??c"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [20, 13, 2, 3, 4, 22, 8, 13, 20], "the   a b c ab t   the"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 19, 0, 0, 2, 13, 3], "' <unk>   th <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 22, 17], "11 a 1 a 1 b 1 ab -"),
        ("-cb-", [17, 4, 28], "- c b-"),
      ]),
    Case(
      description: "removed: a pattern with as short as possible",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"t.+?e|(?:a|b)??c"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [13, 2, 22, 17, 26], "  a ab - 11")
      ]),
    Case(
      description: "a pattern with atomic groups",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?>ab|a)c|(?:t|th)e"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [20, 13, 23, 22, 8, 13, 20], "the   abc ab t   the"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 19, 0, 0, 2, 13, 3], "' <unk>   th <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 22, 17], "11 a 1 a 1 b 1 ab -"),
        ("-cb-", [17, 4, 28], "- c b-"),
      ]),
    Case(
      description: "removed: a pattern with atomic groups",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?>ab|a)c|(?:t|th)e"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [13, 22, 17, 26], "  ab - 11")
      ]),
    Case(
      description: "a pattern with a flag",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?i)TH|B"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [19, 6, 13, 2, 3, 4, 2, 3, 8, 13, 19, 6], "th e   a b c a b t   th e"),
        ("\u{5B57}ab\u{5B57}", [0, 2, 3, 0], "<unk> a b <unk>"),
        ("'S thTHa b", [11, 0, 13, 19, 0, 0, 2, 13, 3], "' <unk>   th <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 2, 3, 17], "11 a 1 a 1 b 1 a b -"),
        ("-cb-", [17, 4, 3, 17], "- c b -"),
      ]),
    Case(
      description: "removed: a pattern with a flag",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?i)TH|B"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [6, 13, 2, 4, 2, 17, 6, 26], "e   a c a - e 11")
      ]),
    Case(
      description: "a pattern with an interval again",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"1{1,2}+a"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [20, 13, 23, 22, 8, 13, 20], "the   abc ab t   the"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 19, 0, 0, 2, 13, 3], "' <unk>   th <unk> <unk> a   b"),
        ("11a1a1b1ab-", [26, 2, 9, 2, 9, 3, 9, 2, 28], "11 a 1 a 1 b 1 a b-"),
        ("-cb-", [17, 4, 28], "- c b-"),
      ]),
    Case(
      description: "removed: a pattern with an interval again",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"1{1,2}+a"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [20, 13, 23, 22, 17, 20, 26], "the   abc ab - the 11")
      ]),
    Case(
      description: "a pattern with a number of groups",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?:1[ab]){2,3}"},"behavior":"Isolated","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcabt the", [20, 13, 23, 22, 8, 13, 20], "the   abc ab t   the"),
        ("\u{5B57}ab\u{5B57}", [0, 22, 0], "<unk> ab <unk>"),
        ("'S thTHa b", [11, 0, 13, 19, 0, 0, 2, 13, 3], "' <unk>   th <unk> <unk> a   b"),
        ("11a1a1b1ab-", [9, 9, 2, 9, 2, 9, 3, 9, 22, 17], "1 1 a 1 a 1 b 1 ab -"),
        ("-cb-", [17, 4, 28], "- c b-"),
      ]),
    Case(
      description: "removed: a pattern with a number of groups",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?:1[ab]){2,3}"},"behavior":"Removed","invert":false},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abcab-the11", [20, 13, 23, 22, 17, 20, 26], "the   abc ab - the 11")
      ]),
    Case(
      description: "replaced after looking behind",
      members:
        #""added_tokens":[],"normalizer":{"type":"Replace","pattern":{"Regex":"(?<=h)t|(?<=t)t"},"content":"ab"},"pre_tokenizer":null,"decoder":null"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("tthth the", [8, 22, 7, 22, 7, 13, 20], "t ab h ab h   the")
      ]),
    Case(
      description: "NFKC",
      members:
        #""added_tokens":[],"normalizer":{"type":"NFKC"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        (
          "\u{FF21}\u{E9}\u{FB01}\u{2460} e\u{301}", [34, 32, 33, 0, 0, 9, 14, 32, 33],
          "A\u{E9}<unk><unk>1 \u{E9}"
        ),
        ("\u{1112}\u{1161}\u{11AB}\u{FF76}\u{FF9E}", [0, 0, 0, 0, 0, 0], "<unk><unk><unk><unk><unk><unk>"),
        (
          "the\u{301} \u{C9}\u{4E00}the\u{1F60}0", [19, 32, 33, 14, 32, 0, 0, 0, 0, 20, 0, 0, 0, 0],
          "th\u{E9} \u{FFFD}<unk><unk><unk><unk>the<unk><unk><unk><unk>"
        ),
        (
          "a\u{300}b\u{AD}\u{200B}\u{7}c\u{9}1", [32, 0, 3, 0, 0, 0, 0, 0, 0, 4, 0, 9],
          "\u{FFFD}<unk>b<unk><unk><unk><unk><unk><unk>c<unk>1"
        ),
        (
          "\u{1CF2}\u{345} \u{FDFA}",
          [
            0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0, 14,
            0, 0, 0, 0, 0, 0, 0, 0,
          ],
          "<unk><unk><unk><unk><unk> <unk><unk><unk><unk><unk><unk> <unk><unk><unk><unk><unk><unk><unk><unk> <unk><unk><unk><unk><unk><unk><unk><unk> <unk><unk><unk><unk><unk><unk><unk><unk>"
        ),
      ]),
    Case(
      description: "NFKD",
      members:
        #""added_tokens":[],"normalizer":{"type":"NFKD"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        (
          "\u{FF21}\u{E9}\u{FB01}\u{2460} e\u{301}", [34, 6, 0, 0, 0, 0, 9, 14, 6, 0, 0],
          "Ae<unk><unk><unk><unk>1 e<unk><unk>"
        ),
        (
          "\u{1112}\u{1161}\u{11AB}\u{FF76}\u{FF9E}", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
          "<unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk>"
        ),
        (
          "the\u{301} \u{C9}\u{4E00}the\u{1F60}0", [20, 0, 0, 14, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0],
          "the<unk><unk> <unk><unk><unk><unk><unk><unk>the<unk><unk><unk><unk><unk>"
        ),
        (
          "a\u{300}b\u{AD}\u{200B}\u{7}c\u{9}1", [2, 0, 0, 3, 0, 0, 0, 0, 0, 0, 4, 0, 9],
          "a<unk><unk>b<unk><unk><unk><unk><unk><unk>c<unk>1"
        ),
        (
          "\u{1CF2}\u{345} \u{FDFA}",
          [
            0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0, 14,
            0, 0, 0, 0, 0, 0, 0, 0,
          ],
          "<unk><unk><unk><unk><unk> <unk><unk><unk><unk><unk><unk> <unk><unk><unk><unk><unk><unk><unk><unk> <unk><unk><unk><unk><unk><unk><unk><unk> <unk><unk><unk><unk><unk><unk><unk><unk>"
        ),
      ]),
    Case(
      description: "StripAccents",
      members:
        #""added_tokens":[],"normalizer":{"type":"StripAccents"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        (
          "\u{FF21}\u{E9}\u{FB01}\u{2460} e\u{301}", [0, 0, 0, 32, 33, 0, 0, 0, 0, 0, 0, 14, 6],
          "<unk><unk><unk>\u{E9}<unk><unk><unk><unk><unk><unk> e"
        ),
        (
          "\u{1112}\u{1161}\u{11AB}\u{FF76}\u{FF9E}", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
          "<unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk>"
        ),
        (
          "the\u{301} \u{C9}\u{4E00}the\u{1F60}0", [20, 14, 32, 0, 0, 0, 0, 20, 0, 0, 0, 0],
          "the \u{FFFD}<unk><unk><unk><unk>the<unk><unk><unk><unk>"
        ),
        (
          "a\u{300}b\u{AD}\u{200B}\u{7}c\u{9}1", [22, 0, 0, 0, 0, 0, 0, 4, 0, 9],
          "ab<unk><unk><unk><unk><unk><unk>c<unk>1"
        ),
        ("\u{1CF2}\u{345} \u{FDFA}", [14, 0, 0, 0], " <unk><unk><unk>"),
      ]),
    Case(
      description: "Nmt",
      members:
        #""added_tokens":[],"normalizer":{"type":"Nmt"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        (
          "\u{FF21}\u{E9}\u{FB01}\u{2460} e\u{301}", [0, 0, 0, 32, 33, 0, 0, 0, 0, 0, 0, 14, 6, 0, 0],
          "<unk><unk><unk>\u{E9}<unk><unk><unk><unk><unk><unk> e<unk><unk>"
        ),
        (
          "\u{1112}\u{1161}\u{11AB}\u{FF76}\u{FF9E}", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
          "<unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk>"
        ),
        (
          "the\u{301} \u{C9}\u{4E00}the\u{1F60}0", [20, 0, 0, 14, 32, 0, 0, 0, 0, 20, 0, 0, 0, 0],
          "the<unk><unk> \u{FFFD}<unk><unk><unk><unk>the<unk><unk><unk><unk>"
        ),
        (
          "a\u{300}b\u{AD}\u{200B}\u{7}c\u{9}1", [2, 0, 0, 3, 0, 0, 14, 4, 14, 9],
          "a<unk><unk>b<unk><unk> c 1"
        ),
        (
          "\u{1CF2}\u{345} \u{FDFA}", [0, 0, 0, 0, 0, 14, 0, 0, 0],
          "<unk><unk><unk><unk><unk> <unk><unk><unk>"
        ),
      ]),
    Case(
      description: "compatible form, accents off",
      members:
        #""added_tokens":[],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"StripAccents"}]},"pre_tokenizer":null,"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("\u{FF21}\u{E9}\u{FB01}\u{2460} e\u{301}", [34, 6, 0, 0, 9, 13, 6], "A e <unk> <unk> 1   e"),
        ("\u{1112}\u{1161}\u{11AB}\u{FF76}\u{FF9E}", [0, 0, 0, 0], "<unk> <unk> <unk> <unk>"),
        (
          "the\u{301} \u{C9}\u{4E00}the\u{1F60}0", [20, 13, 0, 0, 20, 0, 0],
          "the   <unk> <unk> the <unk> <unk>"
        ),
        ("a\u{300}b\u{AD}\u{200B}\u{7}c\u{9}1", [22, 0, 0, 0, 4, 0, 9], "ab <unk> <unk> <unk> c <unk> 1"),
        (
          "\u{1CF2}\u{345} \u{FDFA}", [13, 0, 0, 0, 13, 0, 0, 0, 0, 13, 0, 0, 0, 0, 13, 0, 0, 0, 0],
          "  <unk> <unk> <unk>   <unk> <unk> <unk> <unk>   <unk> <unk> <unk> <unk>   <unk> <unk> <unk> <unk>"
        ),
      ]),
    Case(
      description: "BERT's normalising True False False False",
      members:
        #""added_tokens":[],"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":false,"strip_accents":false,"lowercase":false},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        (
          "\u{FF21}\u{E9}\u{FB01}\u{2460} e\u{301}", [0, 0, 0, 32, 33, 0, 0, 0, 0, 0, 0, 14, 6, 0, 0],
          "<unk><unk><unk>\u{E9}<unk><unk><unk><unk><unk><unk> e<unk><unk>"
        ),
        (
          "\u{1112}\u{1161}\u{11AB}\u{FF76}\u{FF9E}", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
          "<unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk>"
        ),
        (
          "the\u{301} \u{C9}\u{4E00}the\u{1F60}0", [20, 0, 0, 14, 32, 0, 0, 0, 0, 20, 0, 0, 0, 0],
          "the<unk><unk> \u{FFFD}<unk><unk><unk><unk>the<unk><unk><unk><unk>"
        ),
        ("a\u{300}b\u{AD}\u{200B}\u{7}c\u{9}1", [2, 0, 0, 3, 4, 14, 9], "a<unk><unk>bc 1"),
        (
          "\u{1CF2}\u{345} \u{FDFA}", [0, 0, 0, 0, 0, 14, 0, 0, 0],
          "<unk><unk><unk><unk><unk> <unk><unk><unk>"
        ),
      ]),
    Case(
      description: "BERT's normalising False True False False",
      members:
        #""added_tokens":[],"normalizer":{"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":true,"strip_accents":false,"lowercase":false},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        (
          "\u{FF21}\u{E9}\u{FB01}\u{2460} e\u{301}", [0, 0, 0, 32, 33, 0, 0, 0, 0, 0, 0, 14, 6, 0, 0],
          "<unk><unk><unk>\u{E9}<unk><unk><unk><unk><unk><unk> e<unk><unk>"
        ),
        (
          "\u{1112}\u{1161}\u{11AB}\u{FF76}\u{FF9E}", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
          "<unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk>"
        ),
        (
          "the\u{301} \u{C9}\u{4E00}the\u{1F60}0", [20, 0, 0, 14, 32, 0, 14, 0, 0, 0, 25, 0, 0, 0, 0],
          "the<unk><unk> \u{FFFD}<unk> <unk><unk><unk> the<unk><unk><unk><unk>"
        ),
        (
          "a\u{300}b\u{AD}\u{200B}\u{7}c\u{9}1", [2, 0, 0, 3, 0, 0, 0, 0, 0, 0, 4, 0, 9],
          "a<unk><unk>b<unk><unk><unk><unk><unk><unk>c<unk>1"
        ),
        (
          "\u{1CF2}\u{345} \u{FDFA}", [0, 0, 0, 0, 0, 14, 0, 0, 0],
          "<unk><unk><unk><unk><unk> <unk><unk><unk>"
        ),
      ]),
    Case(
      description: "BERT's normalising False False True False",
      members:
        #""added_tokens":[],"normalizer":{"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":true,"lowercase":false},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        (
          "\u{FF21}\u{E9}\u{FB01}\u{2460} e\u{301}", [0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 14, 6],
          "<unk><unk><unk>e<unk><unk><unk><unk><unk><unk> e"
        ),
        (
          "\u{1112}\u{1161}\u{11AB}\u{FF76}\u{FF9E}", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
          "<unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk>"
        ),
        (
          "the\u{301} \u{C9}\u{4E00}the\u{1F60}0", [20, 14, 0, 0, 0, 0, 20, 0, 0, 0],
          "the <unk><unk><unk><unk>the<unk><unk><unk>"
        ),
        (
          "a\u{300}b\u{AD}\u{200B}\u{7}c\u{9}1", [22, 0, 0, 0, 0, 0, 0, 4, 0, 9],
          "ab<unk><unk><unk><unk><unk><unk>c<unk>1"
        ),
        ("\u{1CF2}\u{345} \u{FDFA}", [0, 0, 0, 14, 0, 0, 0], "<unk><unk><unk> <unk><unk><unk>"),
      ]),
    Case(
      description: "BERT's normalising True True None True",
      members:
        #""added_tokens":[],"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        (
          "\u{FF21}\u{E9}\u{FB01}\u{2460} e\u{301}", [0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 14, 6],
          "<unk><unk><unk>e<unk><unk><unk><unk><unk><unk> e"
        ),
        (
          "\u{1112}\u{1161}\u{11AB}\u{FF76}\u{FF9E}", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
          "<unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk>"
        ),
        (
          "the\u{301} \u{C9}\u{4E00}the\u{1F60}0", [20, 14, 6, 14, 0, 0, 0, 25, 0, 0, 0],
          "the e <unk><unk><unk> the<unk><unk><unk>"
        ),
        ("a\u{300}b\u{AD}\u{200B}\u{7}c\u{9}1", [23, 14, 9], "abc 1"),
        ("\u{1CF2}\u{345} \u{FDFA}", [0, 0, 0, 14, 0, 0, 0], "<unk><unk><unk> <unk><unk><unk>"),
      ]),
    Case(
      description: "bytes spelled by the normalizer",
      members:
        #""added_tokens":[],"normalizer":{"type":"ByteLevel"},"pre_tokenizer":null,"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("a\u{E9} the\n", [2, 32, 33, 25, 18], "a\u{E9} the\n")
      ]),
    Case(
      description: "a sign before the first piece, unless its beginning is dropped by Strip",
      members:
        #""added_tokens":[],"normalizer":{"type":"Strip","strip_left":true,"strip_right":false},"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true},"decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the a", [21, 27], "the a"),
        (" the a", [20, 27], "the a"),
        ("\u{7}the", [1, 0, 20], "<unk>the"),
        ("\u{301}the", [1, 0, 20], "<unk>the"),
        ("xthe x", [1, 16, 20, 1, 16], "xthe x"),
        ("x \u{7}the", [1, 16, 1, 0, 20], "x <unk>the"),
      ]),
    Case(
      description: "a sign before the first piece, unless its beginning is dropped by Nmt",
      members:
        #""added_tokens":[],"normalizer":{"type":"Nmt"},"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true},"decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the a", [21, 27], "the a"),
        (" the a", [21, 27], "the a"),
        ("\u{7}the", [20], "the"),
        ("\u{301}the", [1, 0, 20], "<unk>the"),
        ("xthe x", [1, 16, 20, 1, 16], "xthe x"),
        ("x \u{7}the", [1, 16, 21], "x the"),
      ]),
    Case(
      description: "a sign before the first piece, unless its beginning is dropped by StripAccents",
      members:
        #""added_tokens":[],"normalizer":{"type":"StripAccents"},"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true},"decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the a", [21, 27], "the a"),
        (" the a", [21, 27], "the a"),
        ("\u{7}the", [1, 0, 20], "<unk>the"),
        ("\u{301}the", [20], "the"),
        ("xthe x", [1, 16, 20, 1, 16], "xthe x"),
        ("x \u{7}the", [1, 16, 1, 0, 20], "x <unk>the"),
      ]),
    Case(
      description: "a sign before the first piece, unless its beginning is dropped by Replace String",
      members:
        #""added_tokens":[],"normalizer":{"type":"Replace","pattern":{"String":"x"},"content":""},"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true},"decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the a", [21, 27], "the a"),
        (" the a", [21, 27], "the a"),
        ("\u{7}the", [1, 0, 20], "<unk>the"),
        ("\u{301}the", [1, 0, 20], "<unk>the"),
        ("xthe x", [20, 1], "the "),
        ("x \u{7}the", [1, 0, 20], "<unk>the"),
      ]),
    Case(
      description: "a sign before the first piece, unless its beginning is dropped by Replace Regex",
      members:
        #""added_tokens":[],"normalizer":{"type":"Replace","pattern":{"Regex":"x|\\s"},"content":""},"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true},"decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the a", [21, 2], "thea"),
        (" the a", [20, 2], "thea"),
        ("\u{7}the", [1, 0, 20], "<unk>the"),
        ("\u{301}the", [1, 0, 20], "<unk>the"),
        ("xthe x", [20], "the"),
        ("x \u{7}the", [0, 20], "<unk>the"),
      ]),
    Case(
      description: "where scripts change",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"UnicodeScripts"},"decoder":null"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abc", [20, 13, 23], "the   abc"),
        ("  \u{301}the ab", [0, 20, 13, 22], "<unk> the   ab"),
        (" ", [], ""),
        ("a1 b-'s", [2, 9, 13, 3, 17, 11, 12], "a 1   b - ' s"),
        (
          "\u{3042}\u{30FC}\u{4E00}\u{30A2} ab\u{3002}c", [0, 0, 0, 0, 13, 22, 0, 4],
          "<unk> <unk> <unk> <unk>   ab <unk> c"
        ),
        ("\u{430}ab \u{430} b", [0, 22, 13, 0, 13, 3], "<unk> ab   <unk>   b"),
        ("a\u{958}\u{953}\u{915}a", [2, 0, 0, 0, 2], "a <unk> <unk> <unk> a"),
        ("a\u{20BF}b\u{1F600}\u{A7B8}a", [2, 0, 3, 0, 0, 2], "a <unk> b <unk> <unk> a"),
        ("\u{561}\u{589} 1\u{61C}\u{628}", [0, 0, 13, 9, 0, 0], "<unk> <unk>   1 <unk> <unk>"),
        (".\u{D7}a", [36, 0, 2], ". <unk> a"),
      ]),
    Case(
      description: "where scripts change, of bytes",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"UnicodeScripts"},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abc", [20, 14, 23], "the abc"),
        ("  \u{301}the ab", [0, 0, 20, 14, 22], "<unk><unk>the ab"),
        (" ", [], ""),
        ("a1 b-'s", [2, 9, 14, 3, 17, 11, 12], "a1 b-'s"),
        (
          "\u{3042}\u{30FC}\u{4E00}\u{30A2} ab\u{3002}c",
          [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14, 22, 0, 0, 0, 4],
          "<unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk><unk> ab<unk><unk><unk>c"
        ),
        ("\u{430}ab \u{430} b", [0, 0, 22, 14, 0, 0, 14, 3], "<unk><unk>ab <unk><unk> b"),
        (
          "a\u{958}\u{953}\u{915}a", [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
          "a<unk><unk><unk><unk><unk><unk><unk><unk><unk>a"
        ),
        (
          "a\u{20BF}b\u{1F600}\u{A7B8}a", [2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2],
          "a<unk><unk><unk>b<unk><unk><unk><unk><unk><unk><unk>a"
        ),
        (
          "\u{561}\u{589} 1\u{61C}\u{628}", [0, 0, 0, 0, 14, 9, 0, 0, 0, 0],
          "<unk><unk><unk><unk> 1<unk><unk><unk><unk>"
        ),
        (".\u{D7}a", [36, 32, 0, 2], ".\u{FFFD}<unk>a"),
      ]),
    Case(
      description: "a sign before the first of the scripts",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"UnicodeScripts"},{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true}]},"decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true}"#,
      options: #""unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("the abc", [21, 1, 23], "the abc"),
        ("  \u{301}the ab", [0, 20, 1, 22], "<unk>the ab"),
        (" ", [], ""),
        ("a1 b-'s", [27, 9, 1, 3, 17, 11, 12], "a1 b-'s"),
        (
          "\u{3042}\u{30FC}\u{4E00}\u{30A2} ab\u{3002}c", [1, 0, 0, 0, 0, 1, 22, 0, 4],
          "<unk><unk><unk><unk> ab<unk>c"
        ),
        ("\u{430}ab \u{430} b", [1, 0, 22, 1, 0, 1, 3], "<unk>ab <unk> b"),
        ("a\u{958}\u{953}\u{915}a", [27, 0, 0, 0, 2], "a<unk><unk><unk>a"),
        ("a\u{20BF}b\u{1F600}\u{A7B8}a", [27, 0, 3, 0, 0, 2], "a<unk>b<unk><unk>a"),
        ("\u{561}\u{589} 1\u{61C}\u{628}", [1, 0, 0, 1, 9, 0, 0], "<unk><unk> 1<unk><unk>"),
        (".\u{D7}a", [1, 36, 0, 2], ".<unk>a"),
      ]),
    Case(
      description: "ends of words: GPT's, unknown characters told",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"BPEDecoder","suffix":"</w>"}"#,
      options:
        #""unk_token":"<unk>","end_of_word_suffix":"</w>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [25, 28], "the abc"),
        ("  the  ab a", [25, 27, 13], "the ab a"),
        ("the\nthex", [25, 20, 19], "the thex"),
        ("t h e", [18, 17, 16], "t h e"),
        ("abcab-the 's", [26, 3, 27, 0, 25, 0, 0], "abcab <unk>the <unk><unk>"),
        ("x\u{4E00} \u{4E00} 1", [7, 0, 0, 23], "x<unk><unk>1"),
        ("a\u{E9} \u{E9}a \u{E9}", [1, 37, 8, 13, 37], "a\u{E9} \u{E9}a \u{E9}"),
        (
          "the</w> 1</w>1", [25, 0, 0, 0, 0, 23, 0, 0, 0, 0, 23],
          "the <unk><unk><unk><unk>1 <unk><unk><unk><unk>1"
        ),
        ("th\u{4E00}\u{4E01}", [24, 0, 0], "th<unk><unk>"),
      ], words: ends),
    Case(
      description: "ends of words: unknown characters left out",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},"decoder":{"type":"BPEDecoder","suffix":"</w>"}"#,
      options:
        #""unk_token":null,"end_of_word_suffix":"</w>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [25, 28], "the abc"),
        ("  the  ab a", [25, 27, 13], "the ab a"),
        ("the\nthex", [25, 20, 19], "the thex"),
        ("t h e", [18, 17, 16], "t h e"),
        ("abcab-the 's", [26, 3, 26, 25], "abcabthe"),
        ("x\u{4E00} \u{4E00} 1", [7, 23], "x1"),
        ("a\u{E9} \u{E9}a \u{E9}", [1, 37, 8, 13, 37], "a\u{E9} \u{E9}a \u{E9}"),
        ("the</w> 1</w>1", [20, 12, 23], "the11"),
        ("th\u{4E00}\u{4E01}", [24], "th"),
      ], words: ends),
    Case(
      description: "ends of words: CLIP's, of spelled bytes",
      members:
        #""added_tokens":[],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"},"behavior":"Removed","invert":true},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]},"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#,
      options:
        #""unk_token":"<unk>","end_of_word_suffix":"</w>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [25, 28], "the</w>abc</w>"),
        ("  the  ab a", [25, 27, 13], "the</w>ab</w>a</w>"),
        ("the\nthex", [25, 20, 19], "the</w>thex</w>"),
        ("t h e", [18, 17, 16], "t</w>h</w>e</w>"),
        ("abcab-the 's", [26, 3, 27, 0, 25, 0, 0], "abcab</w><unk>the</w><unk><unk>"),
        ("x\u{4E00} \u{4E00} 1", [7, 0, 0, 0, 0, 0, 0, 23], "x<unk><unk><unk><unk><unk><unk>1</w>"),
        ("a\u{E9} \u{E9}a \u{E9}", [1, 10, 22, 10, 11, 13, 10, 22], "a\u{E9}</w>\u{E9}a</w>\u{E9}</w>"),
        (
          "the</w> 1</w>1", [25, 0, 0, 0, 0, 23, 0, 0, 0, 0, 23],
          "the</w><unk><unk><unk><unk>1</w><unk><unk><unk><unk>1</w>"
        ),
        ("th\u{4E00}\u{4E01}", [24, 0, 0, 0, 0, 0, 0], "th<unk><unk><unk><unk><unk><unk>"),
      ], words: ends),
    Case(
      description: "ends of words: bytes for unknown characters",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},"decoder":{"type":"BPEDecoder","suffix":"</w>"}"#,
      options:
        #""unk_token":"<unk>","end_of_word_suffix":"</w>","fuse_unk":false,"byte_fallback":true,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [25, 28], "the abc"),
        ("  the  ab a", [25, 27, 13], "the ab a"),
        ("the\nthex", [25, 20, 19], "the thex"),
        ("t h e", [18, 17, 16], "t h e"),
        ("abcab-the 's", [26, 3, 26, 0, 25, 0, 0], "abcab<unk>the <unk><unk>"),
        ("x\u{4E00} \u{4E00} 1", [7, 0, 0, 23], "x<unk><unk>1"),
        ("a\u{E9} \u{E9}a \u{E9}", [1, 37, 8, 13, 37], "a\u{E9} \u{E9}a \u{E9}"),
        (
          "the</w> 1</w>1", [20, 33, 34, 35, 36, 33, 34, 35, 36, 12, 33, 34, 35, 36, 23],
          "the<0x3C><0x2F><0x77><0x3E><0x3C><0x2F><0x77><0x3E>1<0x3C><0x2F><0x77><0x3E>1"
        ),
        ("th\u{4E00}\u{4E01}", [24, 0, 0], "th<unk><unk>"),
      ], words: ends),
    Case(
      description: "ends of words: whole tokens",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},"decoder":{"type":"BPEDecoder","suffix":"</w>"}"#,
      options:
        #""unk_token":"<unk>","end_of_word_suffix":"</w>","fuse_unk":false,"byte_fallback":false,"ignore_merges":true"#,
      texts: [
        ("", [], ""),
        ("the abc", [20, 28], "theabc"),
        ("  the  ab a", [20, 26, 1], "theaba"),
        ("the\nthex", [20, 20, 19], "thethex"),
        ("t h e", [6, 5, 4], "the"),
        ("abcab-the 's", [26, 3, 26, 0, 25, 0, 0], "abcab<unk>the <unk><unk>"),
        ("x\u{4E00} \u{4E00} 1", [7, 0, 0, 12], "x<unk><unk>1"),
        ("a\u{E9} \u{E9}a \u{E9}", [1, 37, 8, 13, 8], "a\u{E9} \u{E9}a \u{E9}"),
        ("the</w> 1</w>1", [25, 30], "the 11"),
        ("th\u{4E00}\u{4E01}", [24, 0, 0], "th<unk><unk>"),
      ], words: ends),
    Case(
      description: "ends of words: one word, unknown characters fused",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":null,"decoder":{"type":"BPEDecoder","suffix":"</w>"}"#,
      options:
        #""unk_token":"<unk>","end_of_word_suffix":"</w>","fuse_unk":true,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [20, 0, 28], "the<unk>abc"),
        ("  the  ab a", [0, 20, 0, 26, 0, 13], "<unk>the<unk>ab<unk>a"),
        ("the\nthex", [20, 0, 20, 19], "the<unk>thex"),
        ("t h e", [6, 0, 5, 0, 16], "t<unk>h<unk>e"),
        ("abcab-the 's", [26, 3, 26, 0, 20, 0], "abcab<unk>the<unk>"),
        ("x\u{4E00} \u{4E00} 1", [7, 0, 23], "x<unk>1"),
        ("a\u{E9} \u{E9}a \u{E9}", [1, 8, 0, 8, 1, 0, 37], "a\u{E9}<unk>\u{E9}a<unk>\u{E9}"),
        ("the</w> 1</w>1", [20, 0, 12, 0, 23], "the<unk>1<unk>1"),
        ("th\u{4E00}\u{4E01}", [24, 0], "th<unk>"),
      ], words: ends),
    Case(
      description: "ends of words: no decoder",
      members:
        #""added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},"decoder":null"#,
      options:
        #""unk_token":"<unk>","end_of_word_suffix":"</w>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [25, 28], "the</w> abc</w>"),
        ("  the  ab a", [25, 27, 13], "the</w> ab</w> a</w>"),
        ("the\nthex", [25, 20, 19], "the</w> the x</w>"),
        ("t h e", [18, 17, 16], "t</w> h</w> e</w>"),
        ("abcab-the 's", [26, 3, 26, 0, 25, 0, 0], "ab c ab <unk> the</w> <unk> <unk>"),
        ("x\u{4E00} \u{4E00} 1", [7, 0, 0, 23], "x <unk> <unk> 1</w>"),
        ("a\u{E9} \u{E9}a \u{E9}", [1, 37, 8, 13, 37], "a \u{E9}</w> \u{E9} a</w> \u{E9}</w>"),
        (
          "the</w> 1</w>1", [20, 0, 0, 0, 0, 12, 0, 0, 0, 0, 23],
          "the <unk> <unk> <unk> <unk> 1 <unk> <unk> <unk> <unk> 1</w>"
        ),
        ("th\u{4E00}\u{4E01}", [24, 0, 0], "th <unk> <unk>"),
      ], words: ends),
    Case(
      description: "ends of words: an added token between",
      members:
        #""added_tokens":[{"id":38,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},"decoder":{"type":"BPEDecoder","suffix":"</w>"}"#,
      options:
        #""unk_token":"<unk>","end_of_word_suffix":"</w>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false"#,
      texts: [
        ("", [], ""),
        ("the abc", [25, 28], "the abc"),
        ("  the  ab a", [25, 27, 13], "the ab a"),
        ("the\nthex", [25, 20, 19], "the thex"),
        ("t h e", [18, 17, 16], "t h e"),
        ("abcab-the 's", [26, 3, 26, 0, 25, 0, 0], "abcab<unk>the <unk><unk>"),
        ("x\u{4E00} \u{4E00} 1", [7, 0, 0, 23], "x<unk><unk>1"),
        ("a\u{E9} \u{E9}a \u{E9}", [1, 37, 8, 13, 37], "a\u{E9} \u{E9}a \u{E9}"),
        (
          "the</w> 1</w>1", [20, 0, 0, 0, 0, 12, 0, 0, 0, 0, 23],
          "the<unk><unk><unk><unk>1<unk><unk><unk><unk>1"
        ),
        ("th\u{4E00}\u{4E01}", [24, 0, 0], "th<unk><unk>"),
      ], words: ends),
  ]

  /// What stands around a document.
  static let templates: [(processor: String, ids: [Int32], empty: [Int32])] = [
    (
      #"{"type":"RobertaProcessing","sep":["x",16],"cls":["c",4],"trim_offsets":true,"add_prefix_space":false}"#,
      [4, 20, 16], [4, 16]
    ),
    (#"{"type":"BertProcessing","sep":["1",9],"cls":["2",10]}"#, [10, 20, 9], [10, 9]),
    (
      #"{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"b","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":0}}],"special_tokens":{"a":{"id":"a","ids":[2],"tokens":["a"]},"b":{"id":"b","ids":[3],"tokens":["b"]}}}"#,
      [2, 20, 3], [2, 3]
    ),
    (
      #"{"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},{"type":"BertProcessing","sep":["1",9],"cls":["2",10]}]}"#,
      [10, 20, 9], [10, 9]
    ),
  ]
}
