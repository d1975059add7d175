#!/bin/sh
# All-reduce between two ranks of this machine: ours against OpenMPI at its best setting for each size, one after the
# other in one run. usage: all_reduce.sh FOLDER_OF_PROGRAMS [RANKS]
# Prints microseconds and the ratio; fails if one of at least 64 KiB is below 2. Exits with 77 where MPI is missing.
folder=$1 ranks=${2:-2}
skip() {
  echo "skipped: $1"
  exit 77
}
[ -x "$folder/all_reduce_mpi" ] ||
  skip "no OpenMPI was found when this build was configured; install libopenmpi-dev and openmpi-bin, then make configure peers"
command -v mpirun >/dev/null || skip "there is no mpirun; install openmpi-bin"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
tuned="--mca coll_tuned_use_dynamic_rules 1 --mca coll_tuned_allreduce_algorithm"
# name|options: as it comes; bound to cores; its algorithms: nonoverlapping, doubling, ring, segmented ring, Rabenseifner
cat >"$out/settings" <<END
default|
bound|--bind-to core
nonoverlapping|--bind-to core $tuned 2
doubling|--bind-to core $tuned 3
ring|--bind-to core $tuned 4
segmented|--bind-to core $tuned 5
rabenseifner|--bind-to core $tuned 6
END
while IFS='|' read -r name options; do
  "$folder/all_reduce_heddle" "$ranks" >>"$out/heddle" || exit 1
  # shellcheck disable=SC2086 # options are words
  mpirun --oversubscribe -n "$ranks" $options "$folder/all_reduce_mpi" </dev/null >"$out/$name" 2>"$out/error" ||
    { echo "OpenMPI cannot run with $name: $(head -n 1 "$out/error")"; rm -f "$out/$name"; continue; }
  sed "s/^/$name /" "$out/$name" >>"$out/mpi"
done <"$out/settings"
[ -s "$out/mpi" ] || skip "OpenMPI runs with none of the settings"
# Ours is the median of as many runs as OpenMPI had settings; OpenMPI's is the best of them.
sort -n "$out/heddle" | awk -v mpi="$out/mpi" '
  BEGIN {
    while ((getline line < mpi) > 0) {
      split(line, f, " ")
      if (!(f[2] in best) || f[3] < best[f[2]]) { best[f[2]] = f[3]; name[f[2]] = f[1] }
    }
    printf "%10s %12s %12s %8s  %s\n", "bytes", "heddle µs", "OpenMPI µs", "ratio", "its best setting"
  }
  { time[$1, ++count[$1]] = $2; if (count[$1] == 1) order[++sizes] = $1 }
  END {
    for (i = 1; i <= sizes; i++) {
      s = order[i]; n = count[s]
      for (a = 2; a <= n; a++) for (b = a; b > 1 && time[s, b] < time[s, b - 1]; b--) {
        t = time[s, b]; time[s, b] = time[s, b - 1]; time[s, b - 1] = t
      }
      median = time[s, int((n + 1) / 2)]
      ratio = best[s] / median
      printf "%10d %12.1f %12.1f %8.2f  %s\n", s, median * 1e6, best[s] * 1e6, ratio, name[s]
      if (s >= 65536 && ratio < 2) low = 1
    }
    if (low) print "below the target of 2 for at least 64 KiB"
    exit low
  }'
