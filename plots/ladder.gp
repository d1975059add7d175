# SPDX-License-Identifier: MIT
# The ladder: one bar per variant from the first rung to the last, with a line at its bound. In `data`: row, value,
# low, high, bound, error, colour, modelled.
load scripts.'/style.gp'
set lmargin at screen left_margin
set rmargin at screen 1.0 - right_margin
set xrange [0 : x_max]
set yrange [bars + 0.6 : 0.4]
set border 1
set grid x noy linecolor rgb faint linewidth 1 linetype 1
set format x (x_max >= 10000 ? '%.0f' : '%g')
set xlabel x_title
set ytics scale 0 ()
do for [i = 1 : bars] {
  set ytics add (bar_label[i] i)
  set label i bar_note[i] at graph 1.015, first i left textcolor rgb ink
}
if (bound_x > 0) set label 1003 'bound' at first bound_x, graph 1.03 center textcolor rgb soft
plot data using 2:1:(0):2:($1 - 0.34):($8 == 0 ? $1 + 0.34 : NaN) with boxxyerror fillstyle solid 0.85 noborder \
       linecolor rgb palette[1], \
     data using 2:1:(0):2:($1 - 0.34):($8 == 1 ? $1 + 0.34 : NaN) with boxxyerror fillstyle transparent solid 0.22 \
       border linecolor rgb palette[1] linewidth 1.4 dashtype 2, \
     data using 2:1:3:($8 == 0 ? $4 : NaN) with xerrorbars pointtype 0 linewidth 1.6 linecolor rgb ink, \
     data using ($5 <= x_max ? $5 : NaN):($1 - 0.5):(0):(1) with vectors nohead linewidth 2 linecolor rgb soft
unset output
