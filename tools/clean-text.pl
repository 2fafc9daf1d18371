#!/usr/bin/perl
# Makes documents of files: reads paths on stdin, a line each, and writes JSON lines {"text": ..., "source": ...}.
#
#   clean-text.pl [--root FOLDER] [--divide HOW] [--clean STEP,STEP] [--drop CLASS,CLASS] [--summary FILE] < paths
#
# A path is relative to FOLDER and may end in .gz or .dz. A file is repaired (see `repaired`), divided into documents,
# each document goes through the steps in their order, is tidied, and is written unless it is empty or was seen before.
# The summary is two lines: documents written, duplicates dropped. Only perl-base is needed.
use strict;
use warnings;

my $place = $0 =~ m{^(.*)/} ? $1 : '.';
our %option = (root => '.', divide => 'file', clean => '', drop => '', summary => '');

# What a step and a division are called in recipes; each is in the file named after it or after its family.
our %steps;      # name => sub (text) → text
our %divisions;  # name => sub (text of a file) → texts of documents
for my $file (sort glob("$place/clean-text/*.pl")) {
    $file = "./$file" unless $file =~ m{^\.?\.?/};
    require $file;
}

sub fail { print STDERR "clean-text: @_\n"; exit 1 }

while (@ARGV) {
    my $name = shift @ARGV;
    fail("unknown option $name; known are --root, --divide, --clean, --drop and --summary")
        unless $name =~ s/^--// && exists $option{$name};
    fail("--$name needs a value") unless @ARGV;
    $option{$name} = shift @ARGV;
}
my @names = split /[,\s]+/, $option{clean};
for (@names) { fail("unknown step $_; known are " . join ', ', sort keys %steps) unless $steps{$_} }
my $divide = $divisions{$option{divide}}
    or fail("unknown division $option{divide}; known are " . join ', ', sort keys %divisions);

# The bytes of a file, decompressed where its name says so.
sub content {
    my ($path) = @_;
    my $file;
    if ($path =~ /\.[gd]z$/) {
        open $file, '-|', 'gzip', '-dc', '--', $path or fail("gzip cannot be run: $!") if $path !~ /\.dz$/;
        # gzip refuses the suffix .dz, so it reads this as a pipe.
        if ($path =~ /\.dz$/) {
            open my $source, '<', $path or fail("$path: $!");
            my $process = open $file, '-|';
            fail("cannot start a process: $!") unless defined $process;
            unless ($process) { open STDIN, '<&', $source; exec 'gzip', '-dc' or exit 127 }
        }
    } else {
        open $file, '<', $path or fail("$path: $!");
    }
    binmode $file;
    local $/;
    my $bytes = <$file>;
    close $file or fail("$path: cannot be decompressed");
    return defined $bytes ? $bytes : '';
}

# Bytes → characters. What is not UTF-8 is read as Windows-1252, of which Latin-1 is a part, byte by byte; line ends
# become \n; form feeds become line ends; overstruck letters of typewriters are the last of them; other control characters, byte order marks and noncharacters go.
my @windows = (
    0x20AC, 0, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0, 0x17D, 0,
    0, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0, 0x17E, 0x178);
sub repaired {
    my ($text) = @_;
    $text = join "\n", map { utf8::decode($_) ? $_ : mended($_) } split /\n/, $text, -1 unless utf8::decode($text);
    $text =~ s/\r\n?/\n/g;
    $text =~ s/\f\n?/\n/g;
    $text =~ s/.\x08//g;
    $text =~ s/[\x{D800}-\x{DFFF}\x{FDD0}-\x{FDEF}\x{FEFF}\x{FFFE}\x{FFFF}\x{110000}-\x{7FFFFFFF}]//g;
    $text =~ tr/\x00-\x08\x0B-\x1F\x7F-\x9F\x{AD}//d;
    return $text;
}

sub mended {
    my ($line) = @_;
    $line =~ s{((?:[\x00-\x7F]|[\xC2-\xDF][\x80-\xBF]|\xE0[\xA0-\xBF][\x80-\xBF]|[\xE1-\xEF][\x80-\xBF]{2}
        |\xF0[\x90-\xBF][\x80-\xBF]{2}|[\xF1-\xF3][\x80-\xBF]{3}|\xF4[\x80-\x8F][\x80-\xBF]{2}){1,1000})|(.)}{
        defined $1 ? characters($1) : chr(ord $2 < 0xA0 ? $windows[ord($2) - 0x80] : ord $2) }gsex;
    return $line;
}

sub characters { my ($bytes) = @_; utf8::decode($bytes); return $bytes }

# No blanks at the end of a line, at most one blank line together, none at the start, one line end at the end.
sub tidied {
    my ($text) = @_;
    $text =~ s/\x{A0}/ /g;
    $text =~ s/[ \t]+$//mg;
    $text =~ s/\n{3,}/\n\n/g;
    $text =~ s/^\n+//;
    $text =~ s/\n*\z/\n/;
    return $text;
}

# A JSON string in UTF-8.
my %escape = ('"' => '\\"', '\\' => '\\\\', "\n" => '\\n', "\t" => '\\t');
sub json {
    my ($text) = @_;
    $text =~ s/(["\\\n\t])/$escape{$1}/g;
    $text =~ s/([\x00-\x1F])/sprintf '\\u%04x', ord $1/ge;
    utf8::encode($text);
    return "\"$text\"";
}

my (%seen, $documents, $duplicates);
($documents, $duplicates) = (0, 0);
binmode STDOUT;
while (my $path = <STDIN>) {
    chomp $path;
    for my $part ($divide->(repaired(content("$option{root}/$path")))) {
        my $text = $part;
        $text = $steps{$_}->($text) for @names;
        $text = tidied($text);
        next unless $text =~ /\S/;
        if ($seen{$text}++) { $duplicates++; next }
        print '{"text":', json($text), ',"source":', json($path), "}\n" or fail("cannot write: $!");
        $documents++;
    }
}
close STDOUT or fail("cannot write: $!");
if ($option{summary} ne '') {
    open my $file, '>', $option{summary} or fail("$option{summary}: $!");
    print $file "$documents\n$duplicates\n";
    close $file or fail("$option{summary}: $!");
}
