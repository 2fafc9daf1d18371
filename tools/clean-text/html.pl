# HTML → plain text: blocks become paragraphs, code keeps its lines, tags and page furniture go.
use strict;
use warnings;
our (%steps, %option);

my %entity = (
    amp => 0x26, lt => 0x3C, gt => 0x3E, quot => 0x22, apos => 0x27, nbsp => 0x20, copy => 0xA9, reg => 0xAE,
    trade => 0x2122, deg => 0xB0, plusmn => 0xB1, times => 0xD7, divide => 0xF7, middot => 0xB7, para => 0xB6,
    sect => 0xA7, laquo => 0xAB, raquo => 0xBB, ndash => 0x2013, mdash => 0x2014, lsquo => 0x2018, rsquo => 0x2019,
    ldquo => 0x201C, rdquo => 0x201D, bull => 0x2022, hellip => 0x2026, larr => 0x2190, uarr => 0x2191,
    rarr => 0x2192, darr => 0x2193, le => 0x2264, ge => 0x2265, ne => 0x2260, minus => 0x2212, infin => 0x221E,
    micro => 0xB5, pound => 0xA3, euro => 0x20AC, frac12 => 0xBD, szlig => 0xDF, aelig => 0xE6, AElig => 0xC6,
    oslash => 0xF8, Oslash => 0xD8, ccedil => 0xE7, Ccedil => 0xC7, ntilde => 0xF1, Ntilde => 0xD1, aring => 0xE5,
    Aring => 0xC5, Auml => 0xC4, Ouml => 0xD6, Uuml => 0xDC, auml => 0xE4, euml => 0xEB, iuml => 0xEF, ouml => 0xF6,
    uuml => 0xFC, Eacute => 0xC9, aacute => 0xE1, eacute => 0xE9, iacute => 0xED, oacute => 0xF3, uacute => 0xFA,
    agrave => 0xE0, egrave => 0xE8, igrave => 0xEC, ograve => 0xF2, ugrave => 0xF9, acirc => 0xE2, ecirc => 0xEA,
    icirc => 0xEE, ocirc => 0xF4, ucirc => 0xFB);

# The character that a name between & and ; stands for; what is not known stays.
sub html_entity {
    my ($name) = @_;
    return chr $entity{$name} if exists $entity{$name};
    my $code = $name =~ /^#[xX]([0-9a-fA-F]{1,6})$/ ? hex $1 : $name =~ /^#(\d{1,7})$/ ? $1 : 0;
    return chr $code if $code >= 0x20 && $code < 0xD800 || $code >= 0xE000 && $code < 0xFFFE
        || $code > 0xFFFF && $code <= 0x10FFFF;
    return $name =~ /^#/ ? '' : "&$name;";
}

my %unseen = map { $_ => 1 } qw(head script style nav svg noscript template form button select);
my %paragraph = map { $_ => 1 } qw(
    address article aside blockquote body center details div dl fieldset figure figcaption footer h1 h2 h3 h4 h5 h6
    header hr main ol p pre section summary table ul dt tbody thead tfoot caption);
my %row = map { $_ => 1 } qw(br li tr dd option);
my %void = map { $_ => 1 } qw(area base br col embed hr img input link meta param source track wbr);

# Elements of --drop go with all that is in them: a name is a class, a name after # an id.
$steps{html} = sub {
    my ($text) = @_;
    my %drop = map { $_ => 1 } split /[,\s]+/, $option{drop};
    # In bytes, and what is behind is set aside: places in long strings of characters take long to find.
    utf8::encode($text);
    my ($out, $behind) = ('', '');
    my (@open, $hidden, $verbatim, $list);
    ($hidden, $verbatim, $list) = (0, 0, 0);
    my $add = sub {
        my ($piece) = @_;
        return if $hidden;
        unless ($verbatim) {
            $piece =~ s/\s+/ /g;
            $piece =~ s/^ // if $out eq '' || $out =~ /\s\z/;
        }
        $piece =~ s/&(#?\w+);/my $character = html_entity($1); utf8::encode($character); $character/ge;
        $out .= $piece;
        $behind .= substr $out, 0, -200, '' if length $out > 2000;
    };
    my $breaks = sub { return if $hidden; $out =~ s/ +\z//; $out .= "\n" x $_[0] if $out ne '' };
    while ($text =~ /\G(?:<!--.*?-->|<!\[CDATA\[(.*?)\]\]>|<[!?][^>]*>|<(\/?)([A-Za-z][\w:]*)((?:[^>"']|"[^"]*"|'[^']*')*)>|([^<]+)|(<))/gcs) {
        my ($data, $closes, $name, $attributes, $words, $bracket) = ($1, $2, $3, $4, $5, $6);
        if (defined $words) { $add->($words); next }
        if (defined $bracket) { $add->('<'); next }
        if (defined $data) { $data =~ s/&/&amp;/g; $add->($data); next }
        next unless defined $name;
        $name = lc $name;
        my $is_empty = $void{$name} || $attributes =~ m{/\s*\z};
        if ($closes) {
            # An element that was never opened closes nothing; those left open inside it are closed with it.
            my ($at) = grep { $open[$_]{name} eq $name } reverse 0 .. $#open;
            next unless defined $at;
            for my $element (reverse splice @open, $at) {
                $hidden-- if $element->{hides};
                $verbatim-- if $element->{name} eq 'pre';
            }
        } elsif (!$is_empty) {
            # Scripts are not markup: they end at their closing tag.
            if ($name eq 'script' || $name eq 'style') { $text =~ /\G.*?<\/$name\s*>/gcsi; next }
            my ($class) = $attributes =~ /\bclass\s*=\s*["']?([^"'>]*)/i;
            my ($id) = $attributes =~ /(?:^|\s)id\s*=\s*["']?([^"'>\s]*)/i;
            my $hides = $unseen{$name} || (defined $id && $drop{"#$id"})
                || grep { $drop{$_} } split ' ', defined $class ? $class : '';
            if ($name eq 'li' || $name eq 'dd' || $name eq 'td' || $name eq 'th' || $name eq 'tr' || $name eq 'p') {
                # These may be left unclosed, and end where the next begins.
                pop @open if @open && $open[-1]{name} eq $name;
            }
            $hidden++ if $hides;
            push @open, {name => $name, hides => $hides};
        }
        next if $hidden;
        if ($paragraph{$name}) {
            # The first paragraph of an item stands on the item's line.
            $breaks->(2) unless !$closes && $out =~ /(?:^|\n) *- \z/;
        } elsif ($row{$name}) {
            $breaks->(1) unless $out =~ /(?:^|\n) *- \z/ || ($name ne 'br' && $out =~ /\n\z/);
        }
        if ($name eq 'ul' || $name eq 'ol') { $list += $closes ? -1 : 1; $list = 0 if $list < 0 }
        $out .= '  ' x ($list > 1 ? $list - 1 : 0) . '- ' if $name eq 'li' && !$closes;
        if (($name eq 'td' || $name eq 'th') && !$closes && $out =~ /[^\n|]\z/ && $out !~ / \| \z/) {
            $out =~ s/ *\z/ | /;
        }
        if ($name eq 'pre' && !$closes) { $verbatim++; $text =~ /\G\n/gc }
    }
    $out = $behind . $out;
    utf8::decode($out);
    $out =~ s/^[ \t]*-?[ \t]*$//mg;
    # Items that are a line each stand close.
    $out =~ s/^( *- [^\n]*)\n{2,}(?= *- )/$1\n/mg;
    $out =~ s/(?: \| )+$//mg;
    return $out;
};
1;
