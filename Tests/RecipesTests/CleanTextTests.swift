/// The clean-up of each markup, on samples of our own.

import Foundation
import Testing

@Suite("Clean-up of text") struct CleanUp {
  let place: Workplace
  init() throws { place = try Workplace() }

  struct Sample: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var divide = "file"
    var clean: String
    var input: String
    var documents: [String]
  }

  @Test(arguments: samples)
  func `a markup becomes what a reader sees`(sample: Sample) throws {
    try place.write((sample.input + "\n").utf8, to: "sample")
    let documents = try place.documents(
      of: "sample", divide: sample.divide, clean: sample.clean, drop: "nav,#top")
    #expect(documents == sample.documents.map { $0 + "\n" })
  }

  /// The tables of letters, quotation marks and control characters.
  @Test func `bytes that are no UTF-8 are read as Windows-1252, and the rest as it is`() throws {
    let bytes: [UInt8] =
      [0xEF, 0xBB, 0xBF] + Array("caf".utf8) + [0xE9, 0x20, 0x93] + Array("tea".utf8) + [0x94]
      + Array(" caf\u{E9}\r\nb\u{8}bold\0\u{1B} end \t \r\n\n\n\nlast\u{A0}line \"\\\u{1F375}".utf8)
    try place.write(bytes, to: "mixed")
    #expect(
      try place.documents(of: "mixed") == [
        "caf\u{E9} \u{201C}tea\u{201D} caf\u{E9}\nbold end\n\nlast line \"\\\u{1F375}\n"
      ])
    // Cut characters, surrogates, overlong forms: whatever comes, JSON goes out.
    var state: UInt64 = 1
    let noise = (0..<20_000).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 33)
    }
    try place.write(noise + [0xED, 0xA0, 0x80, 0xC0, 0x80, 0xF4, 0x90, 0x80, 0x80, 0xE2, 0x82], to: "noise")
    #expect(try place.documents(of: "noise").count == 1)
    for step in ["rst", "pod", "asciidoc", "markdown", "html", "unwrap", "gcide,reflow"] {
      #expect(try place.documents(of: "noise", clean: step).count <= 1)
    }
  }

  @Test func `lines of a percent sign divide, and what was seen is dropped`() throws {
    try place.write("A watched pot.\n%\nTwo\nlines.\n%\nA watched pot.\n%\n\n%\n".utf8, to: "a")
    try place.write("Two\nlines.  \n".utf8, to: "b")
    let documents = try place.documents(of: "a", "b", divide: "percent")
    #expect(documents == ["A watched pot.\n", "Two\nlines.\n"])
  }

  @Test func `compressed files are read, and damaged ones refused`() throws {
    try place.write("A lid.\n".utf8, to: "lid")
    try place.run("gzip", ["-k", "lid"]).succeeded()
    try FileManager.default.copyItem(atPath: place("lid.gz"), toPath: place("lid.dz"))
    #expect(try place.documents(of: "lid.gz") == ["A lid.\n"])
    #expect(try place.documents(of: "lid.dz") == ["A lid.\n"])
    try place.write(Data(contentsOf: URL(fileURLWithPath: place("lid.gz"))).dropLast(6), to: "cut.gz")
    let script = Project.root + "/tools/clean-text.pl"
    try place.run("perl", [script], input: "cut.gz\n").failed("cut.gz")
    try place.run("perl", [script], input: "gone\n").failed("gone")
    try place.run("perl", [script, "--clean", "html,bleach"]).failed("unknown step bleach", "asciidoc")
    try place.run("perl", [script, "--divide", "thirds"]).failed("unknown division thirds", "percent")
  }

  @Test func `pages of tags that are never closed take no time`() throws {
    let open = String(repeating: "<div><p>word <b>", count: 20_000)
    try place.write(open.utf8, to: "open.html")
    #expect(try place.documents(of: "open.html", clean: "html").count == 1)
  }

  static let samples = [
    Sample(
      testDescription: "reStructuredText keeps what a reader sees of it", clean: "rst",
      input: #"""
        .. SPDX-License-Identifier: GPL-2.0
        .. _kettle:

        =======
        Kettles
        =======

        :Author: A. Potter

        .. toctree::
           :maxdepth: 2

           lid
           spout

        A *kettle* is **hot**; see :doc:`the lid </lid>`, :func:`~pots.Lid.open` and ``**raw``.
        Read `the book <https://example.org>`_ [1]_ or :rfc:`1149`.

        .. class:: Kettle(size, *, lid=None)
                   Kettle(other)
           :canonical: pots.Kettle

           Holds ``size`` litres::

               k = Kettle(2)
               k.boil()   # *really*

           .. versionadded:: 3.2

           .. note:: Mind the steam.

           .. warning::
              Do not touch
              the spout.

        .. code-block:: c
           :linenos:

           int *a = b * c;

        Sizes
        -----

        =====  =====
        name   litre
        =====  =====
        small  1
        =====  =====

        .. [1] Not a *real* book.

        .. image:: kettle.png
           :alt: a kettle

        >>> kettle.boil()
        'done'
        """#,
      documents: [
        #"""
        Kettles

        Author: A. Potter

        A kettle is hot; see the lid, open and **raw.
        Read the book [1] or RFC 1149.

        class Kettle(size, *, lid=None)
        class Kettle(other)

           Holds size litres:

               k = Kettle(2)
               k.boil()   # *really*

           New in version 3.2.

           Note: Mind the steam.

              Warning: Do not touch
              the spout.

           int *a = b * c;

        Sizes

        name   litre
        small  1

        [1] Not a real book.

        >>> kettle.boil()
        'done'
        """#
      ]),
    Sample(
      testDescription: "plain old documentation", clean: "pod",
      input: #"""
        some code, not shown

        =head1 NAME

        kettle - boils B<I<very> hot> water

        =encoding utf8

        =over 4

        =item *

        First E<lt>one
        line

        =item C<< $a->b >>

        See L<the lid|lid>, L<lid/open> and L<https://example.org>.X<index>

        =back

            verbatim C<stays>
              as it is

        =begin html

        <p>gone</p>

        =end html

        =for comment gone too

        =cut

        more code
        """#,
      documents: [
        #"""
        NAME

        kettle - boils very hot water

        - First <one line

        $a->b

        See the lid, "open" in lid and https://example.org.

            verbatim C<stays>
              as it is
        """#
      ]),
    Sample(
      testDescription: "AsciiDoc of the manual of Git", clean: "asciidoc",
      input: #"""
        kettle-boil(1)
        ==============

        NAME
        ----
        kettle-boil - Boil `water`

        [verse]
        'kettle boil' [--lid]

        [[lid]]
        --lid::
        	Close the lid. See linkgit:kettle-lid[1] and
        	link:howto.html[the howto]; it isn't 'hot'.
        +
        ----
        $ kettle boil   # `not touched`
        ----

        // A remark.
        ifdef::steam[]
        * steam{nbsp}rises
        endif::steam[]

        GIT
        ---
        Part of the linkgit:git[1] suite
        """#,
      documents: [
        #"""
        kettle-boil(1)

        NAME

        kettle-boil - Boil water

        kettle boil [--lid]

        --lid
        	Close the lid. See kettle-lid(1) and
        	the howto; it isn't hot.

        $ kettle boil   # `not touched`

        - steam rises
        """#
      ]),
    Sample(
      testDescription: "Markdown loses its marks and the links to other pages",
      clean: "page-links,markdown,unwrap",
      input: #"""
        [‹ Before](a.md "Go to previous page") [up](b.md "Go to parent page") [After
        ›](c.md "Go to next page")

        ## On **tea** ##

        Water is _boiled_ in a [kettle](kettle.md#lid "the
        kettle"), says [ **The Book** , p. 3]. The snake_case_name
        stays, so does `**this**`.

        > _"Hot water
        > is tea."_

          * leaves
            and stalks
          * a cup

        ***

        ![A cup](cup.png) &amp; done.
        """#,
      documents: [
        #"""
        On tea

        Water is boiled in a kettle, says [The Book, p. 3]. The snake_case_name stays, so does **this**.

        "Hot water is tea."

        - leaves and stalks
        - a cup

        A cup & done.
        """#
      ]),
    Sample(
      testDescription: "HTML keeps blocks, lists, tables and code", clean: "html",
      input: #"""
        <!DOCTYPE html>
        <html><head><title>Gone</title><style>p { color: red }</style></head>
        <body><div class="nav bar">Gone <div>too</div></div><p id="top">Gone</p>
        <h1>Tea &amp;
         caf&eacute; &#x2615;</h1><script>if (a < b) { "<p>" }</script>
        <p>One <b>bold</b>
        word.<!-- gone --><p>Two<br>lines.
        <ul><li><p>first</p></li><li>second<ul><li>inner</li></ul></li></ul>
        <table><tr><th>size</th><th>litres</th></tr><tr><td>small</td><td>1 </td></tr></table>
        <pre>
        if a &lt; b:
            boil()
        </pre>
        </body></html>
        """#,
      documents: [
        #"""
        Tea & café ☕

        One bold word.

        Two
        lines.

        - first
        - second
          - inner

        size | litres
        small | 1

        if a < b:
            boil()
        """#
      ]),
    Sample(
      testDescription: "an entry of Webster is a word with all its senses", divide: "entry",
      clean: "gcide,reflow",
      input: #"""
        00-database-info
           About this dictionary.

        No entry, as it has no body.

        Kettle \Ket"tle\ (k[e^]t"t'l), n. [OE. ketel, fr. L.
           catillus.] (Cookery)
           1. A vessel of metal, in which water is boil-
              ed. See {Te*a"pot}.
              [1913 Webster]

                    A watched kettle never boils.  --Anon.
              [1913 Webster]

        Kettle \Ket"tle\, v. t.
           To put in a kettle; caf['e].
           [1913 Webster]

        Lid \Lid\, Cover \Cov"er\n. [Gr. ?.]
           A cover.
           [1913 Webster + PJC]
        """#,
      documents: [
        #"""
        Kettle, n. [OE. ketel, fr. L. catillus.] (Cookery)
        1. A vessel of metal, in which water is boil-ed. See Teapot.

        A watched kettle never boils. --Anon.

        Kettle, v. t.
        To put in a kettle; café.
        """#,
        #"""
        Lid, Cover n.
        A cover.
        """#,
      ]),
    Sample(
      testDescription: "an entry of FOLDOC", divide: "entry", clean: "foldoc,reflow",
      input: #"""
        Reduced Kettle Set
        RKS

           <pots> (RKS) A {kettle} of
           few parts.

           {Home (http://example.org/)}.

           See {the book (http://example.org/book)}.

           (1999-12-31)
        """#,
      documents: [
        #"""
        Reduced Kettle Set, RKS

        <pots> (RKS) A kettle of few parts.

        See the book.
        """#
      ]),
    Sample(
      testDescription: "an entry of the Jargon File", divide: "entry", clean: "jargon,reflow",
      input: #"""
        kettle
         //, n.

            [common] A {pot} that
            boils.

            L

        lid
         /lid/

            A cover.
        """#,
      documents: [
        #"""
        kettle n.

        [common] A pot that boils.
        """#,
        #"""
        lid /lid/

        A cover.
        """#,
      ]),
    Sample(
      testDescription: "a synset of WordNet", divide: "wordnet", clean: "",
      input: #"""
          1 a line of licence
        00000001 06 n 02 tea_kettle 0 kettle(p) 0 001 @ 00000002 n 0000 | a vessel for water; "the kettle boils"  
        00000002 06 n 01 vessel 0 000 | something hollow  
        00000003 30 v 01 boil 0 001 @ 00000004 v 0000 01 + 02 00 | make hot  
        00000004 30 v 01 heat 0 000 | make warm  
        """#,
      documents: [
        #"""
        tea kettle, kettle (noun, a kind of vessel): a vessel for water; "the kettle boils"
        """#,
        #"""
        vessel (noun): something hollow
        """#,
        #"""
        boil (verb, a way to heat): make hot
        """#,
        #"""
        heat (verb): make warm
        """#,
      ]),
    Sample(
      testDescription: "paragraphs are put on a line, code is not", clean: "unwrap",
      input: #"""
        One long
        paragraph.

        - an item
          goes on
        - another

            code
            stays
        """#,
      documents: [
        #"""
        One long paragraph.

        - an item goes on
        - another

            code
            stays
        """#
      ]),
  ]
}
