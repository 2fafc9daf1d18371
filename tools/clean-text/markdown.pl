# Markdown → plain text: emphasis, links and heading marks go, quotations and lists stay.
use strict;
use warnings;
our %steps;

$steps{markdown} = sub {
    my @out;
    my $fence = '';
    for my $block (split /(\n(?:[ \t]*\n)+)/, $_[0]) {
        if ($block =~ /^\n/) { push @out, $block; next }
        if ($fence ne '' || $block =~ /^[ ]{0,3}(```+|~~~+)/) {
            # Fences may hold blank lines; only their marks go.
            my @lines;
            for my $line (split /\n/, $block) {
                if ($fence eq '' && $line =~ /^ {0,3}(```+|~~~+)/) { $fence = $1 }
                elsif ($fence ne '' && $line =~ /^ {0,3}\Q$fence\E\s*$/) { $fence = '' }
                else { push @lines, $line }
            }
            push @out, join "\n", @lines;
            next;
        }
        if ($block =~ /^(?: {4}|\t)/) { push @out, $block; next }
        push @out, markdown_block($block);
    }
    return join '', @out;
};

sub markdown_block {
    my ($text) = @_;
    $text =~ s/^ {0,3}(?:> ?)+//mg;
    $text =~ s/^#{1,6}(?:\s+|$)(.*?)\s*#*$/$1/mg;
    $text =~ s/^(\S.*)\n(?:=+|-+)[ \t]*$/$1/mg;
    $text =~ s/^ {0,3}(?:[-*_] ?){3,}$//mg;
    $text =~ s/^( *)\* +/$1- /mg;
    if ($text =~ /^  - /) { $text =~ s/^  //mg } else { $text =~ s/^ {1,3}(?=[^\s-])//mg }
    my @kept;
    $text =~ s/`([^`]+)`/push @kept, $1; "\x00$#kept\x00"/ge;
    $text =~ s/\\([\\`*_{}\[\]()#+.!<>-])/push @kept, $1; "\x00$#kept\x00"/ge;
    $text =~ s/!\[([^\]]*)\]\([^)]*\)/$1/gs;
    $text =~ s/\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?:[^()\s]|\([^()]*\))*(?:\s+"[^"]*")?\)/$1/gs;
    $text =~ s/\[([^\]]+)\]\[[^\]]*\]/$1/gs;
    $text =~ s/<((?:https?|ftp|mailto):[^>\s]+)>/$1/g;
    # Converters leave blanks around what is bold: "[ **Title** , p. 5]".
    $text =~ s/([\[(])\s+(?=\*\*|_)/$1/g;
    $text =~ s/(\*\*|[\w"'.]_)\s+(?=[,.;:?!)\]])/$1/g;
    $text =~ s/\*\*(?=\S)(.+?)(?<=\S)\*\*/$1/gs;
    $text =~ s/(?<!\w)__(?=\S)(.+?)(?<=\S)__(?!\w)/$1/gs;
    $text =~ s/(?<![\w*])\*(?=[^\s*])([^*]+?)(?<=\S)\*(?![\w*])/$1/gs;
    $text =~ s/(?<!\w)_(?=\S)([^_]+?)(?<=\S)_(?!\w)/$1/gs;
    # Emphasis that began or ends in another paragraph.
    $text =~ s/(?<!\S)(?:\*\*|_)+(?=\S)|(?<=\S)(?:\*\*|_)+(?!\S)|^\s*_\s*$//mg;
    $text =~ s/&(#?\w+);/html_entity($1)/ge;
    $text =~ s/\x00(\d+)\x00/$kept[$1]/g while $text =~ /\x00/;
    return $text;
}

# Links to the pages before, above and after, as the Anarchist FAQ has them at its ends.
$steps{'page-links'} = sub {
    my ($text) = @_;
    $text =~ s/^[^\n]*\[(?:\x{2039}|up\]\([^)]*"Go\s+to|[^\]]*\x{203A}\]\()(?:.|\n(?!\n))*//mg;
    return $text;
};
1;
