# AsciiDoc as Git's manual uses it → plain text.
use strict;
use warnings;
our %steps;

my %attribute = (
    litdd => '--', tilde => '~', caret => '^', plus => '+', asterisk => '*', backtick => '`', apostrophe => "'",
    startsb => '[', endsb => ']', backslash => '\\', lt => '<', gt => '>', amp => '&', nbsp => ' ', empty => '',
    'git-diff' => '', zwsp => '', spacesp => ' ');

$steps{asciidoc} = sub {
    my @lines = split /\n/, $_[0], -1;
    my (@out, @paragraph);
    # Inline marks may go over the ends of lines, but not of paragraphs.
    my $flush = sub { push @out, asciidoc_inline(join "\n", @paragraph) if @paragraph; @paragraph = () };
    my $delimiter = '';
    for (my $i = 0; $i < @lines; $i++) {
        my $line = $lines[$i];
        if ($delimiter ne '') {
            # Code between its delimiters is as it was; a comment goes.
            if ($line =~ /^\Q$delimiter\E\s*$/) { $delimiter = ''; push @out, '' }
            elsif ($delimiter !~ m{^/}) { push @out, $line }
            next;
        }
        if ($line =~ m{^(-{4,}|\.{4,}|/{4,})\s*$}) { $delimiter = $1; $flush->(); push @out, ''; next }
        next if $line =~ m{^//(?!/)} || $line =~ /^(?:ifn?def|ifeval|endif|include)::/ || $line =~ /^:[\w!-]+:/;
        next if $line =~ /^\[(?:\[[^\]]*\]|[\w".,#%-]*|(?:[\w"]+[=,])[^\]]*)\]\s*$/;
        next if $line =~ /^(?:={4,}|\*{4,}|_{4,}|--|'{3}|\|={3,})\s*$/;
        if ($line =~ /^\+?\s*$/) { $flush->(); push @out, ''; next }
        my $next = $i + 1 < @lines ? $lines[$i + 1] : '';
        # A title is one line, about as long as the line below; a delimiter may follow a paragraph at once.
        if (!@paragraph && $line =~ /^\S.*[^:.\s]\s*$/ && $next =~ /^([=\-~^+])\1+\s*$/
            && abs(length($line) - length $next) <= 3) {
            push @out, '', asciidoc_inline($line), '';
            $i++;
            next;
        }
        $flush->() if $line =~ /(?::{2,4}|;;)\s*$/ || $line =~ /^\s*(?:[*.]{1,5}|-|\d+\.) /;
        $line =~ s/^={1,6}\s+(.*?)(?:\s+=+)?$/$1/;
        my $is_term = $line =~ s/^(\s*\S.*?)(?::{2,4}|;;)\s*$/$1/;
        $line =~ s/^\.(?=[A-Z])//;
        $line =~ s/^(\s*)\*{1,5} /$1- /;
        $line =~ s/^(\s*)\.{1,5} (?=\S)/$1- /;
        if ($line =~ /^[ \t]+[\$#] /) { $flush->(); push @out, $line; next }
        push @paragraph, $line;
        $flush->() if $is_term;
    }
    $flush->();
    my $text = join "\n", @out;
    # What every page of the manual ends with.
    $text =~ s/\n+GIT\s+Part of the git\(1\) suite\s*\z/\n/;
    return $text;
};

sub asciidoc_inline {
    my ($text) = @_;
    $text =~ s/\{([\w-]+)\}/exists $attribute{$1} ? $attribute{$1} : "{$1}"/ge;
    $text =~ s/linkgit:([\w.-]+?)\[(\w+)\]/$1($2)/g;
    $text =~ s/(?:link|xref):[^\s\[]+\[([^\]]*)\]/$1/g;
    $text =~ s/\b((?:https?|ftp|git|mailto):[^\s\[\]]+)\[([^\]]*)\]/$2 eq '' ? $1 : $2/ge;
    $text =~ s/<<[^,>]+,([^>]+)>>/$1/g;
    $text =~ s/<<([^>]+)>>/$1/g;
    $text =~ s/footnote:\[([^\]]*)\]/ ($1)/g;
    $text =~ s/``([^`']+)''/"$1"/g;
    $text =~ s/(?<![\w\\`])\+?`+([^`]+?)`+\+?(?!\w)/$1/g;
    $text =~ s/(?<![\w\\'])'(?=[^\s'])([^'\n]*[^\s'\\])'(?!\w)/$1/g;
    $text =~ s/(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*])\*(?![\w*])/$1/g;
    $text =~ s/(?<!\w)_(?=[^\s_])([^_\n]*[^\s_])_(?!\w)/$1/g;
    $text =~ s/\[\[[\w-]+\]\]//g;
    $text =~ s/\\(?=[{'`*_\-])//g;
    $text =~ s/&(#?\w+);/html_entity($1)/ge;
    return $text;
}
1;
