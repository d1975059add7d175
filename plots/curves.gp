# SPDX-License-Identifier: MIT
# Lines (bounds, fits), curves with error bars, dots and histograms over two axes. The series lie in `data` in this
# order; every label stands in the right margin, joined to the last point (or the peak) of its series.
load scripts.'/style.gp'
set rmargin at screen 1.0 - right_margin
if (log_x) set logscale x
if (log_y) set logscale y
set xrange [x_min : x_max]
set yrange [y_min : y_max]
eval 'set xtics '.x_tics
eval 'set ytics '.y_tics
set xlabel x_title
set label 1003 y_title at screen 20.0 / width, graph 0.5 center rotate by 90 textcolor rgb ink
do for [i = 1 : labels] {
  set label i label_text[i] at graph 1.045, graph label_y[i] left offset 0.9, -0.25 textcolor rgb ink \
    point pointtype (label_mark[i] < 0 ? 0 : label_mark[i] > 1 ? 5 : shape(label_colour[i], label_mark[i])) pointsize 0.75 \
    linecolor rgb colour(label_colour[i])
  set arrow i from first label_from_x[i], first label_from_y[i] to graph 1.037, graph label_y[i] nohead \
    linecolor rgb colour(label_colour[i]) linewidth 0.9 dashtype 3 back
}
# Kinds: 0 line, 1 curve, 2 dots, 3 histogram. An empty range of a plot's own for-loop would warn, so the command is
# put together here.
command = ''
do for [i = 1 : series] {
  kind = value(sprintf('kind_%d', i)); c = value(sprintf('colour_%d', i)); open = value(sprintf('open_%d', i))
  from = sprintf(', data index %d ', i - 1)
  line = sprintf(' dashtype %d linecolor rgb "%s" ', value(sprintf('dash_%d', i)), colour(c))
  if (kind == 3) {
    command = command.from.'using 1:2 with fillsteps fillstyle transparent solid 0.2 noborder linecolor rgb "'.colour(c).'"'
    command = command.from.'using 1:2 with steps linewidth 1.6'.line
  }
  if (kind == 0) { command = command.from.'using 1:2 with lines linewidth 1.6'.line }
  if (kind == 1) { command = command.from.'using 1:2 with lines linewidth 2'.line }
  if (kind == 1 || kind == 2) {
    command = command.from.sprintf('using 1:2:3:4 with yerrorbars linewidth 1.2 pointsize 0.75 pointtype %d', shape(c, open))
    command = command.' linecolor rgb "'.colour(c).'"'
  }
}
eval 'plot '.command[3:*]
unset output
