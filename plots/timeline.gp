# SPDX-License-Identifier: MIT
# What each lane did when. In `data`: start, end, lane from the top, colour, label or "-". Groups of lanes (one for
# each variant) are named at their first lane. Above them the kinds of work, each beside its colour.
load scripts.'/style.gp'
set tmargin at screen 1.0 - 98.0 / height
x = 0.018
do for [i = 1 : kinds] {
  set object i rectangle from screen x, screen 1.0 - 79.0 / height to screen x + 12.0 / width, screen 1.0 - 67.0 / height \
    fillcolor rgb palette[kind_colour[i]] fillstyle solid 0.85 noborder
  set label 200 + i kind_name[i] at screen x + 18.0 / width, screen 1.0 - 73.0 / height left textcolor rgb ink
  x = x + (40.0 + 7.6 * strlen(kind_name[i])) / width
}
set lmargin at screen left_margin
set rmargin at screen 0.975
set border 1
set grid x noy linecolor rgb faint linewidth 1 linetype 1
set xrange [0 : x_max]
set yrange [lanes - 0.4 : -0.6]
eval 'set xtics '.x_tics
unset ytics
set xlabel x_title
do for [i = 1 : lanes] {
  set label i lane_name[i] at graph -0.012, first i - 1 right textcolor rgb soft
  if (strlen(lane_group[i]) > 0) {
    set label 100 + i lane_group[i] at screen 0.018, first i - 1 left textcolor rgb ink
    if (i > 1) { set arrow i from screen 0.018, first i - 1.5 to screen 0.975, first i - 1.5 nohead linecolor rgb soft linewidth 0.7 }
  }
}
set style fill solid 0.85 border rgb paper
plot for [c = 1 : 8] data using (($1 + $2) / 2):3:(($2 - $1) / 2):($4 == c ? 0.42 : NaN) with boxxyerror \
       linewidth 0.5 linecolor rgb palette[c], \
     data using (($1 + $2) / 2):3:(strcol(5) eq '-' ? '' : strcol(5)) with labels font ',9' textcolor rgb paper
unset output
