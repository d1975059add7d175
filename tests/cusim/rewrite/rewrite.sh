#!/bin/sh
# The source step and the compiler driver: unusual spellings, bad input, options. usage: rewrite.sh SIMNVCC
simnvcc=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
bad() { echo "FAILED: $*"; [ -s err ] && sed 's/^/    /' err | cut -c1-200 | head -5; failed=1; }

# status WANTED ARGUMENT…: simnvcc ends with this status, its messages are in err.
status() {
  wanted=$1
  shift
  "$simnvcc" "$@" >out 2>err
  got=$?
  [ $got = "$wanted" ] || bad "simnvcc $*: status $got, not $wanted"
}
says() { grep -q -- "$1" err || bad "no message like '$1'"; }
quiet() { [ ! -s err ] || bad "messages where none are due"; }
quick=--no-trace  # one compilation instead of two

status 0 -O1 -std=c++17 -Wall -Wextra "$here/unusual.cu" -o unusual; quiet
./unusual >out || bad "unusual: $(cat out)"
sed 's/$/\r/' "$here/unusual.cu" >crlf.cu
status 0 $quick -O0 -std=c++17 crlf.cu -o crlf; quiet
./crlf >out || bad "with CRLF line ends: $(cat out)"

# Errors name the file and the line, and leave nothing behind.
status 1 $quick -c "$here/asm.cu" -o asm.o
says 'asm.cu:4: error: cusim does not support the instruction "tcgen05.fence::before_thread_sync" of inline PTX'
[ ! -e asm.o ] || bad 'an object after an error'
status 1 $quick -c "$here/wait.cu" -o x.o; says 'wait.cu:12: error: cudaDeviceSynchronize in device code was removed'
[ "$(grep -c error err)" = 1 ] || bad 'one wait is in device code'
status 1 $quick -c "$here/template.cu" -o x.o; says 'template.cu:6: error: cusim does not support variable templates'
[ "$(grep -c error err)" = 1 ] || bad 'functions are no variables'
status 1 $quick -c "$here/reference.cu" -o x.o; says 'reference.cu:4: error: texture references were removed'
status 1 $quick -c "$here/unterminated.cu" -o x.o; says 'unterminated.cu:4: error'
status 1 $quick -c "$here/no_arguments.cu" -o x.o; says 'no_arguments.cu:4: error'
status 1 $quick -c "$here/wrong_type.cu" -o x.o; says 'wrong_type.cu:4:'
printf '/* never ends\nint main() {}' >comment.cu
status 1 $quick -c comment.cu -o x.o; says comment.cu
printf 'const char *s = "never ends\n;' >string.cu
status 1 $quick -c string.cu -o x.o; says string.cu
printf 'int main() { k<<<' >launch.cu
status 1 $quick -c launch.cu -o x.o; says 'launch.cu:1'
printf '{{{((((' >brackets.cu
status 1 $quick -c brackets.cu -o x.o

: >empty.cu
status 0 -c empty.cu -o empty.o; quiet
[ -s empty.o ] || bad 'an empty file gives an object'
status 1 missing.cu -o x; says 'missing.cu: no such file'
status 2; says 'no input files'
status 2 -o; says 'its value is missing'
status 2 nonsense; says 'neither an option'
status 2 -c "$here/part.cu" "$here/whole.cu" -o both.o; says 'one source'
status 0 --version; grep -q simnvcc out || bad 'no version'

# Options of nvcc that have no meaning here are taken without a word, unknown ones with a warning.
status 0 $quick -arch=sm_90 -gencode arch=compute_75,code=sm_75 --expt-relaxed-constexpr -Xptxas -v -lineinfo -c \
  "$here/part.cu" -o part.o; quiet
status 0 $quick --no-such-option -c "$here/part.cu" -o part.o; says 'no-such-option is ignored'

# Names with blanks, of a file that asks for its side.
mkdir 'a b'
printf '__global__ void k() {\n#ifdef __CUDA_ARCH__\n#endif\n}\nint main() { k<<<1, 1>>>(); return cudaDeviceSynchronize(); }\n' >'a b/c d.cu'
status 0 'a b/c d.cu' -o 'a b/c d'; quiet
'./a b/c d' || bad 'a name with blanks'

# Several sources, objects, definitions; -c without -o; the dependencies.
status 0 $quick "$here/whole.cu" "$here/part.cu" -o whole; quiet
./whole; [ $? = 42 ] || bad 'two sources make a program'
status 0 $quick -lineinfo "$here/whole.cu" "$here/part.cu" -o whole; quiet  # no library of that name
status 0 $quick -DPART_VALUE=3 -c "$here/part.cu" -MF deps.d -o three.o
grep -q 'three.o:' deps.d && grep -q 'part\.h' deps.d && grep -q 'part\.cu' deps.d || bad 'dependencies'
status 0 $quick "$here/whole.cu" three.o -o whole
./whole; [ $? = 21 ] || bad 'an object and a definition'
status 0 $quick -c "$here/part.cu" "$here/whole.cu"
[ -s part.o ] && [ -s whole.o ] || bad '-c of several sources'
status 0 part.o whole.o
./a.out; [ $? = 42 ] || bad 'linking objects into a.out'

# Archives: made by -lib; on the command line they serve the sources in front of them. Separate compilation in three steps.
status 0 $quick -lib "$here/part.cu" -o libpart.a
status 0 $quick "$here/whole.cu" libpart.a -o whole; quiet
./whole; [ $? = 42 ] || bad 'a source in front of an archive'
status 0 $quick "$here/whole.cu" -L. -lpart -lcufft -o whole; says 'lcufft is ignored: cusim does not have this library'
status 0 $quick -dc "$here/part.cu" "$here/whole.cu"
status 0 -dlink part.o whole.o -o linked.o
status 0 part.o whole.o linked.o -o whole; quiet
./whole; [ $? = 42 ] || bad 'separate compilation'

# Options out of a file; the host's compiler; commands shown and not run; architectures.
echo '-DPART_VALUE=3 -O1' >few
status 0 $quick --options-file few "$here/whole.cu" "$here/part.cu" -o fewer; quiet
./fewer; [ $? = 21 ] || bad 'options of a file'
status 0 $quick -ccbin g++ -c "$here/part.cu" -o part.o; quiet
status 0 $quick -ccbin clang++ -c "$here/part.cu" -o part.o; says 'clang++ is ignored'
rm part.o
status 0 $quick --dryrun -c "$here/part.cu" -o part.o; says '^#\$ .*cusim-rewrite'
[ ! -e part.o ] || bad '--dryrun compiles'
status 0 --list-gpu-arch; grep -q compute_90 out || bad 'no list of architectures'
[ $failed = 0 ] && echo 'the source step and the driver: all as expected'
exit $failed
