# Dictionaries: the entries of dictd's text, and WordNet's glosses.
use strict;
use warnings;
our (%steps, %divisions);

# An entry of dictd's text is one or more lines at the margin and an indented body. Entries that follow one another
# under the same first word are one document. What is about the dictionary, or has no body, is none.
$divisions{entry} = sub {
    my @entries;
    my ($head, $body, $before) = ('', '', '');
    my $end = sub {
        if ($head =~ /\S/ && $body =~ /\S/ && $head !~ /^00-?database/m) {
            my ($word) = $head =~ /^([^\\\n(,%]*)/;
            $word =~ s/\s+$//;
            my $text = $head . $body;
            if (@entries && $word ne '' && $before eq $word) { $entries[-1] .= $text } else { push @entries, $text }
            $before = $word;
        }
        ($head, $body) = ('', '');
    };
    for my $line (split /\n/, $_[0]) {
        if ($line =~ /^\S/) {
            $end->() if $body =~ /\S/;
            # Margin text after a blank line with no body between was no head.
            $head = '' if $head =~ /\n\n\z/;
            # Other spellings of the head are on lines of their own.
            $head =~ s/\n\z/, /;
            $head .= "$line\n";
        } elsif ($body eq '' && $line !~ /\S/) {
            $head .= "\n" if $head ne '';
        } elsif ($head ne '') {
            $body .= "$line\n";
        }
    }
    $end->();
    return @entries;
};

# Letters that GCIDE writes in brackets.
my %letter = (
    ae => "\x{E6}", AE => "\x{C6}", oe => "\x{153}", OE => "\x{152}", aum => "\x{E4}", deg => "\x{B0}", add => '', asl => '', bar => '|',
    "'e" => "\x{E9}", "'E" => "\x{C9}", "'a" => "\x{E1}", "'i" => "\x{ED}", "'o" => "\x{F3}", "'u" => "\x{FA}",
    '`e' => "\x{E8}", '`a' => "\x{E0}", '`o' => "\x{F2}", '`u' => "\x{F9}", '`i' => "\x{EC}",
    '"o' => "\x{F6}", '"e' => "\x{EB}", '"u' => "\x{FC}", '"i' => "\x{EF}", '"a' => "\x{E4}",
    '^o' => "\x{F4}", '^u' => "\x{FB}", '^a' => "\x{E2}", '^e' => "\x{EA}", '^i' => "\x{EE}",
    ',c' => "\x{E7}", '~n' => "\x{F1}", '=a' => "\x{101}", '=e' => "\x{113}", '=i' => "\x{12B}", '=o' => "\x{14D}",
    '=u' => "\x{16B}", '=y' => "\x{233}", 'a^' => "\x{103}", 'e^' => "\x{115}", 'i^' => "\x{12D}", 'o^' => "\x{14F}",
    'u^' => "\x{16D}", '=ae' => "\x{1E3}", '=oo' => 'oo', 'oo^' => 'oo', th => 'th', eth => "\x{F0}", ng => 'ng',
    '-e' => 'e', '-o' => 'o', '-u' => 'u', '-i' => 'i', '-a' => 'a', '~e' => "\x{1EBD}", '*a' => 'a', '*u' => 'u');

# Webster's entries: marks of their origin, syllables and pronunciations go; letters are as they should be.
$steps{gcide} = sub {
    my ($text) = @_;
    my $origin = qr/1913 Webster|Webster 1913 Suppl\.?|WordNet \d\.\d|Century Dict\. 1906|PJC|RP|RDH|AS|RH|Encarta[^\]]*/;
    $text =~ s/\s*\[(?:$origin)(?:\s*\+?\s*(?:$origin))*\]//g;
    # Syllables, and a pronunciation after them, which may go over the end of a line.
    $text =~ s{ ?\\[^\\\n]*(?:\n[^\\\n]*)?\\(?:\s+\((?=[^()]*(?:\[|["*]))[^()]*\))?(?=(\w)?)}{defined $1 ? ' ' : ''}ge;
    $text =~ s/\s+\((?:[^()\s]*\[[^()\[\]]{1,3}\][^()\s]*(?:;\s+\d+(?:,\s*\d+)*)?)\)//g;
    $text =~ s/^([^\n(]*?)\s+\((?=[^()\s]*["*?`])[^()\s]*\)/$1/;
    $text =~ s/\s+\(\?(?:;\s+\d+(?:,\s*\d+)*)?\)|\s+\[Gr\.\s+\?\.?\]//g;
    $text =~ s/\{([^{}]*)\}/my $word = $1; $word =~ tr!*"`!!d; $word/gse;
    $text =~ s/\[([^\[\]\s]{1,3})\]/exists $letter{$1} ? $letter{$1} : "[$1]"/ge;
    $text =~ s/ +(?=--[A-Z][^\n]*(?:\n {30,}[^\n]*)*)/ /g;
    return $text;
};

# Links and the date of the last change; alternative heads are joined by commas.
$steps{foldoc} = sub {
    my ($text) = @_;
    $text =~ s/%%%/, /g;
    $text =~ s/(?<=\n\n) +(?:\{[^{}]*\((?:https?|ftp):[^()]*\)\}|\{rfc:\d+\})\.?\n//g;
    $text =~ s/\{([^{}]*?)\s+\((?:https?|ftp|news|mailto|[\w.\/-]+\.html)[^)]*\)\}/$1/gs;
    $text =~ s/\{\(([^)]*)\)\}/$1/gs;
    $text =~ s/\{([^{}]*)\}/$1/gs;
    $text =~ s/^ *\(\d{4}-\d\d-\d\d\)\s*\z//m;
    return $text;
};

# Cross-references in braces, empty pronunciations, and the letter that the next entries begin with.
$steps{jargon} = sub {
    my ($text) = @_;
    $text =~ s/\{([^{}]*)\}/$1/gs;
    $text =~ s{^ //(?:, *)?}{ }m;
    $text =~ s/\n\n {4}[A-Z]\n*\z/\n/;
    return $text;
};

# An entry's body: blocks of lines joined, each without its indentation. An item begins a line, and so does what
# follows the head of an entry: its word class, origin and field, which end in a point or a bracket.
my $class = qr/(?:^|[ ,])(?:n|a|adj|adv|v|v\. ?[ti]|pl|n\. ?pl|prep|conj|interj|pron|p\. ?p|imp)\.$/;
$steps{reflow} = sub {
    my @out;
    for my $block (split /\n\s*\n/, $_[0]) {
        my @lines;
        my $is_head = $block =~ /^\n*\S/;
        for my $line (split /\n/, $block) {
            (my $words = $line) =~ s/^\s+|\s+$//g;
            next if $words eq '';
            my $ends = $is_head && @lines && $line =~ /^ {2}/ && $words !~ /^\[/
                && $lines[-1] =~ /[\])]$|$class/ && balanced($lines[-1]);
            if (@lines && !$ends && $words !~ /^(?:\d{1,2}\.|\([a-z]\)|[-*]) /) {
                # A compound that was divided at its hyphen is one word; "pre- or post-" are more.
                my $is_word = $lines[-1] =~ /[a-z]{3}-$/ && $words =~ /^(?!(?:and|or|to) )[a-z]/;
                $lines[-1] .= $is_word ? $words : " $words";
            } else {
                push @lines, $words;
            }
            $is_head = 0 if $ends;
        }
        push @out, join "\n", @lines if @lines;
    }
    return join "\n\n", @out;
};

sub balanced { my ($text) = @_; return $text =~ tr/[(// == $text =~ tr/])// }

# A line of WordNet's data.POS is a synset: its words, what kind of thing it is, its gloss and examples.
my %kind = (n => 'noun', v => 'verb', a => 'adjective', s => 'adjective', r => 'adverb');
$divisions{wordnet} = sub {
    my (%first, @synsets);
    for my $line (split /\n/, $_[0]) {
        next unless $line =~ /^(\d{8}) \d\d ([nvasr]) ([0-9a-f]{2}) (.*?) \| (.*)$/;
        my ($offset, $class, $count, $rest, $gloss) = ($1, $2, hex $3, $4, $5);
        my @fields = split / /, $rest;
        my @words = map { $fields[2 * $_] } 0 .. $count - 1;
        for (@words) { s/\([a-z]+\)$//; tr/_/ / }
        $first{$offset} = $words[0];
        my ($parent) = $rest =~ /@ (\d{8}) [nv] 0000/;
        push @synsets, [\@words, $class, $parent, $gloss];
    }
    return map {
        my ($words, $class, $parent, $gloss) = @$_;
        my $of = defined $parent && defined $first{$parent} ? ", a kind of $first{$parent}" : '';
        $of =~ s/a kind of/a way to/ if $class eq 'v';
        $gloss =~ s/\s+$//;
        join(', ', @$words) . " ($kind{$class}$of): $gloss\n";
    } @synsets;
};
1;
