# reStructuredText as Sphinx reads it → plain text: titles, paragraphs, code and signatures stay, markup goes.
use strict;
use warnings;
our %steps;

# Directives by what becomes of them; all others leave their argument as a line and their content as it is.
my %dropped = map { $_ => 1 } qw(
    audit-event contents currentmodule default-role figure highlight image include index jinja kernel-doc kernel-feat
    kernel-figure kernel-abi kernel-render kernel-include literalinclude maintainers-include meta miscnews module
    moduleauthor raw sectionauthor sectnum tabularcolumns testcleanup testsetup title toctree header footer);
my %literal = map { $_ => 1 } qw(
    code code-block csv-table doctest highlightlang ipython math parsed-literal productionlist sourcecode testcode
    testoutput prompt);
my %admonition = (
    note => 'Note', warning => 'Warning', tip => 'Tip', hint => 'Hint', important => 'Important',
    caution => 'Caution', danger => 'Danger', error => 'Error', attention => 'Attention', seealso => 'See also',
    todo => 'To do', 'impl-detail' => 'Implementation detail', availability => 'Availability');
my %version = (
    versionadded => 'New in version', versionchanged => 'Changed in version', deprecated => 'Deprecated since version',
    'deprecated-removed' => 'Deprecated since version');
my %signature = map { $_ => 1 } qw(
    attribute class cmdoption coroutinefunction coroutinemethod data decorator decoratormethod describe enum
    enumerator envvar exception function macro member method classmethod staticmethod abstractmethod opcode option
    struct type union var program pdbcommand awaitablefunction awaitablemethod);

my $adornment = qr/([=\-`:.'"~^_*+#<>!\$%&,\/;?\@\\|])\1{2,}\s*/;
# The borders of tables, whose rows stay as they stand.
my $border = qr/^\s*(?:=+(?: +=+)+|-{2,}(?: +-{2,})+|={8,}|\+(?:[-=]*\+)+)\s*$/;

$steps{rst} = sub {
    my ($text) = @_;
    # Tabs stand every eight columns, and indentation is what tells structure.
    $text =~ s/^(.*?)\t/$1 . ' ' x (8 - length($1) % 8)/gme while $text =~ /\t/;
    my @lines = split /\n/, $text, -1;
    my @out;
    my $i = 0;
    while ($i < @lines) {
        my $line = $lines[$i];
        if ($line !~ /\S/) { push @out, ''; $i++; next }
        my $indent = indentation($line);
        my $next = $i + 1 < @lines ? $lines[$i + 1] : '';

        # Titles, with a line below or one on each side; a line alone divides.
        if ($line =~ /^$adornment$/ && $i + 2 < @lines && $lines[$i + 2] =~ /^$adornment$/ && $next =~ /\S/) {
            push @out, '', inline(trimmed($next)), '';
            $i += 3;
            next;
        }
        if ($next =~ /^$adornment$/ && $line =~ /^\S/ && length trimmed($next) >= 0.6 * length $line
            && $line !~ /^(?:\.\. |$adornment$)/) {
            push @out, '', inline($line), '';
            $i += 2;
            next;
        }
        if ($line =~ /^\s*$adornment$/ || $line =~ $border) { $i++; next }

        if ($line =~ /^\s*\.\.(?:\s|$)/) { ($i, my @new) = explicit(\@lines, $i, $indent); push @out, @new; next }

        if ($line =~ /^\s*>>>/) {
            push @out, $lines[$i++] while $i < @lines && $lines[$i] =~ /\S/;
            next;
        }

        # A paragraph, and the literal block that its :: announces.
        my @paragraph;
        while ($i < @lines && $lines[$i] =~ /\S/ && !(@paragraph && $lines[$i] =~ /^\s*\.\. /)
            && $lines[$i] !~ $border) {
            push @paragraph, $lines[$i++];
            last if $paragraph[-1] =~ /::$/ && $i < @lines && indentation($lines[$i]) > indentation($paragraph[-1]);
        }
        my $is_literal = $paragraph[-1] =~ /::$/;
        $indent = indentation($paragraph[-1]) if @paragraph > 1 && $is_literal;
        $paragraph[-1] =~ s/^(\s*)::$/$1/ || $paragraph[-1] =~ s/\s::$// || $paragraph[-1] =~ s/::$/:/ if $is_literal;
        push @out, inline(join "\n", @paragraph);
        if ($is_literal) {
            my ($end, @block) = block(\@lines, $i, $indent);
            push @out, @block;
            $i = $end;
        }
    }
    return join "\n", @out;
};

sub indentation { $_[0] =~ /^( *)/; return length $1 }
sub trimmed { my ($text) = @_; $text =~ s/^\s+|\s+$//g; return $text }

# The lines from $i on that are blank or as far in as the first of them that is not, which is further in than $indent.
sub block {
    my ($lines, $i, $indent) = @_;
    my $first = $i;
    $first++ while $first < @$lines && $lines->[$first] !~ /\S/;
    return $i if $first >= @$lines || indentation($lines->[$first]) <= $indent;
    my $depth = indentation($lines->[$first]);
    my $end = $first;
    $end++ while $end < @$lines && ($lines->[$end] !~ /\S/ || indentation($lines->[$end]) >= $depth);
    return ($end, @$lines[$i .. $end - 1]);
}

# What begins with two points: the line where the text goes on, and what is to be written.
sub explicit {
    my ($lines, $i, $indent) = @_;
    my $margin = ' ' x $indent;
    my $rest = trimmed(substr $lines->[$i], $indent + 2);
    if ($rest =~ /^\[([^\]]+)\]\s+(.*)/s) { return ($i + 1, inline("$margin\[$1] $2")) }
    if ($rest =~ /^_/ || $rest =~ /^\|[^|]+\|/) {
        # A target or a substitution, with the lines that continue it.
        $i++;
        $i++ while $i < @$lines && $lines->[$i] =~ /\S/ && indentation($lines->[$i]) > $indent;
        return $i;
    }
    unless ($rest =~ /^((?:[\w+-]+:)*)([\w+.-]+)::(?:\s+(.*))?$/) {
        return $i + 1 if $rest eq '' && ($i + 1 >= @$lines || $lines->[$i + 1] !~ /\S/);
        my ($end) = block($lines, $i + 1, $indent);
        return $end;
    }
    my ($name, $argument) = ($2, defined $3 ? $3 : '');
    $i++;
    if ($dropped{$name}) { my ($end) = block($lines, $i, $indent); return $end }
    my @arguments = $argument eq '' ? () : ($argument);
    my $reads = !$admonition{$name} && !$version{$name};
    while ($i < @$lines && $lines->[$i] =~ /\S/ && indentation($lines->[$i]) > $indent) {
        if ($lines->[$i] =~ /^\s+:[\w-]+:/) { $i++ }
        elsif ($reads && $signature{$name}) { push @arguments, trimmed($lines->[$i++]) }
        else { last }
    }
    if ($literal{$name}) {
        my ($end, @content) = block($lines, $i, $indent);
        # These may hold their only line in the argument; elsewhere it is the name of a language.
        unshift @content, map { "$margin    $_" } @arguments if $name eq 'math' || $name eq 'productionlist';
        return ($end, @content);
    }
    if (my $word = $admonition{$name}) {
        return ($i, $margin . inline("$word: $argument")) if $argument ne '';
        # The first paragraph follows on the same line.
        $i++ while $i < @$lines && $lines->[$i] !~ /\S/;
        return $i if $i >= @$lines || indentation($lines->[$i]) <= $indent;
        if ($lines->[$i] =~ /^\s*(?:\.\.|[*-]|\d+\.) /) { return ($i, "$margin$word:") }
        $lines->[$i] =~ s/^( *)/$1$word: /;
        return $i;
    }
    if (my $word = $version{$name}) {
        my ($number, $more) = $argument =~ /^(\S+)\s*(.*)/s ? ($1, $2) : ('', '');
        if ($name eq 'deprecated-removed' && $more =~ s/^(\S+)\s*//) { $word .= " $number, removed in version $1" }
        else { $word .= " $number" }
        return ($i, $margin . inline("$word: $more")) if $more ne '';
        $i++ while $i < @$lines && $lines->[$i] !~ /\S/;
        return ($i, "$margin$word.", '') if $i >= @$lines || indentation($lines->[$i]) <= $indent
            || $lines->[$i] =~ /^\s*(?:\.\.|[*-]|\d+\.) /;
        $lines->[$i] =~ s/^( *)/$1$word: /;
        return $i;
    }
    my $prefix = $name =~ /^(?:class|exception)$/ ? "$name " : $name =~ /^decorator/ ? '@' : '';
    return ($i, '', map { $margin . $prefix . unescaped($_) } @arguments);
}

sub unescaped { my ($text) = @_; $text =~ s/\\([*`|_\\<>])/$1/g; return $text }

# The markup within a paragraph. What is between double backquotes is set aside first, so that nothing in it is read.
sub inline {
    my ($text) = @_;
    my @kept;
    my $keep = sub { push @kept, $_[0]; "\x00$#kept\x00" };
    $text =~ s/``(.+?)``(?!`)/$keep->($1)/gse;
    $text =~ s/:(?:[\w-]+:)*([\w.+-]+):`((?:[^`\\]|\\.)*)`/$keep->(role($1, $2))/gse;
    $text =~ s/`([^`<]+?)\s*<[^`>]*>`__?/$1/gs;
    $text =~ s/`([^`]+)`(?:__?)?(?!\w)/$1/gs;
    $text =~ s/\[#?([\w*-]+)\]_(?!\w)/[$1]/g;
    $text =~ s/(?<![\w*\\])\*\*(?=[^\s*])(.+?)(?<=[^\s\\])\*\*(?!\w)/$1/gs;
    $text =~ s/(?<![\w*\/\\])\*(?=[^\s*)\].,])([^*]*?[^*\s\\])\*(?![\w*\/])/$1/gs;
    $text =~ s/^(\s*)\| (?!.*\|\s*$)/$1/mg;
    $text =~ s/^(\s*):([A-Za-z][\w -]*):(\s)/$1 . ucfirst($2) . ":$3"/mge;
    $text =~ s/^(\s*)#\. /$1- /mg;
    $text =~ s/\\(\s)/$1 eq "\n" ? "\n" : ''/ge;
    $text = unescaped($text);
    $text =~ s/\x00(\d+)\x00/$kept[$1]/g while $text =~ /\x00/;
    return $text;
}

# What a role shows: its title, or its target without what only says how to show it.
sub role {
    my ($name, $text) = @_;
    return $1 if $text =~ /^(.+?)\s*<[^<>]*>$/s;
    return uc($name) . " $text" if $name =~ /^(?:pep|rfc|cve)$/i && $text =~ /^\d/;
    $text =~ s/^[!.]//;
    $text =~ s/^~(?:.*\.)?//s;
    return unescaped($text);
}
1;
