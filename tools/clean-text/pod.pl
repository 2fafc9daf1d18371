# Perl's plain old documentation → plain text.
use strict;
use warnings;
our %steps;

my %entity = (lt => '<', gt => '>', sol => '/', verbar => '|', quot => '"', amp => '&', nbsp => ' ');

$steps{pod} = sub {
    my @out;
    my ($is_pod, $skip) = (0, '');
    for my $block (split /\n(?:[ \t]*\n)+/, $_[0]) {
        $block =~ s/^\n+//;
        if ($block =~ /^=([a-zA-Z]\w*)[ \t]*(.*)/s) {
            my ($command, $rest) = ($1, $2);
            if ($command eq 'cut') { $is_pod = 0; next }
            $is_pod = 1;
            if ($skip ne '') { $skip = '' if $command eq 'end'; next }
            if ($command eq 'begin') { $skip = $rest unless $rest =~ /^(?::|text)/ }
            elsif ($command =~ /^head\d$/) { push @out, formatted(joined($rest)) }
            elsif ($command eq 'item') {
                $rest = joined($rest);
                push @out, $rest =~ /^\*?\s*$/ ? "\x00" : formatted($rest =~ /^\*\s+(.*)/s ? "- $1" : $rest);
            }
            elsif ($command eq 'for' && $rest =~ s/^:?text\s+//) { push @out, formatted($rest) }
            next;
        }
        next if !$is_pod || $skip ne '' || $block !~ /\S/;
        my $text = $block =~ /^[ \t]/ ? $block : formatted(joined($block));
        # A bare bullet belongs to the paragraph after it.
        if (@out && $out[-1] eq "\x00") { $out[-1] = "- $text" } else { push @out, $text }
    }
    return join "\n\n", grep { $_ ne "\x00" } @out;
};

sub joined { my ($text) = @_; $text =~ s/\s*\n\s*/ /g; return $text }

# Formatting codes, from the outermost in; L<...> shows its text or tells where it leads.
sub formatted {
    my ($text) = @_;
    my $out = '';
    while ($text =~ s/^(.*?)([A-Z])(<(?:<+(?=\s))?)//s) {
        $out .= $1;
        my ($code, $open) = ($2, $3);
        my $inner;
        if (length $open > 1) {
            my $close = '>' x length $open;
            if ($text =~ s/^\s+(.*?)\s+$close//s) { $inner = $1 }
        } else {
            # A single bracket closes where those opened within it are closed.
            my ($depth, $at) = (1, 0);
            while ($text =~ /([A-Z]<<+(?=\s)|[A-Z]<|>)/g) {
                my $token = $1;
                if ($token eq '>') { if (--$depth == 0) { $at = pos $text; last } }
                elsif ($token =~ /^[A-Z](<<+)/) {
                    my $close = '>' x length $1;
                    $text =~ /\G.*?\s$close/gsc;
                }
                else { $depth++ }
            }
            if ($at) { $inner = substr $text, 0, $at - 1; $text = substr $text, $at }
        }
        $out .= defined $inner ? coded($code, $inner) : "$code$open";
    }
    return $out . $text;
}

sub coded {
    my ($code, $inner) = @_;
    return '' if $code eq 'X' || $code eq 'Z';
    if ($code eq 'E') {
        return $entity{$inner} if exists $entity{$inner};
        return chr hex $1 if $inner =~ /^0?x([0-9A-Fa-f]{1,5})$/;
        return chr $inner if $inner =~ /^\d{1,6}$/;
        return html_entity($inner);
    }
    if ($code eq 'L') {
        return formatted($1) if $inner =~ /^([^|]*)\|/s;
        return $inner if $inner =~ /^\w+:[^:\s]\S*$/;
        if ($inner =~ m{^([^/]*)/"?(.*?)"?$}s) {
            my ($page, $section) = ($1, formatted($2));
            return $page eq '' ? "\"$section\"" : "\"$section\" in $page";
        }
    }
    return formatted($inner);
}
1;
