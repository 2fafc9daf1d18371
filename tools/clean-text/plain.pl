# Plain text: whole files, files divided by lines of %, and paragraphs put on one line.
use strict;
use warnings;
our (%steps, %divisions);

# The file is one document.
$divisions{file} = sub { $_[0] };

# Documents stand between lines of a lone %, as in fortune's files.
$divisions{percent} = sub { split /^%[ \t]*\n/m, $_[0] };

# Joins the lines of a paragraph. A line that is indented, or begins an item or a quotation, begins anew;
# an item's continuation, indented to its text, is joined to it.
$steps{unwrap} = sub {
    my @out;
    my ($joins, $hang) = (0, 0);
    for my $line (split /\n/, $_[0], -1) {
        my ($indent) = $line =~ /^(\s*)/;
        my $is_item = $line =~ /^\s*(?:[-*+\x{2022}]|\d{1,3}[.)]|\(?[a-z]\))\s+\S/;
        if ($line !~ /\S/) { push @out, ''; ($joins, $hang) = (0, 0); next }
        # Two blanks at the end of a line break it, in Markdown.
        if ($joins && !$is_item && length $indent == $hang && $out[-1] !~ /  $/) {
            (my $text = $line) =~ s/^\s+//;
            # A word that was divided at its hyphen is whole again; a dash between words is none.
            $out[-1] .= $out[-1] =~ /\w-$/ ? $text : " $text";
        } else {
            push @out, $line;
            ($hang) = $is_item ? map { length } $line =~ /^(\s*\S+\s+)/ : length $indent;
            $joins = $is_item || $hang == 0;
        }
    }
    return join "\n", @out;
};

1;
