# SPDX-License-Identifier: MIT
# The ladder: one bar per variant from the first rung to the last, with a line at its bound. In `data`: row, value,
# low, high, bound, error, colour, modelled.
load scripts.'/style.gp'
set lmargin at screen left_margin
set rmargin at screen 1.0 - right_margin
set xrange [0 : x_max]
set yrange [(bars > 3 ? bars : 3) + 0.6 : 0.4]
set border 1
set grid x noy linecolor rgb faint linewidth 1 linetype 1
eval 'set xtics '.x_tics
set xlabel x_title
set ytics scale 0 ()
set label 1003 value_title at screen 0.982 - share_width, screen 1.0 - 64.0 / height right textcolor rgb soft
set label 1004 share_title at screen 0.982, screen 1.0 - 64.0 / height right textcolor rgb soft
do for [i = 1 : bars] {
  set ytics add (bar_label[i] i)
  set label 2 * i bar_value[i] at screen 0.982 - share_width, first i right textcolor rgb ink
  set label 2 * i + 1 bar_share[i] at screen 0.982, first i right textcolor rgb soft
}
if (bound_x > 0) set label 1005 'bound' at first bound_x, screen 1.0 - 66.0 / height center textcolor rgb soft
plot data using ($8 == 0 ? $2 : NaN):1:(0):2:($1 - 0.34):($1 + 0.34) with boxxyerror fillstyle solid 0.85 noborder \
       linecolor rgb palette[1], \
     data using ($8 == 1 ? $2 : NaN):1:(0):2:($1 - 0.34):($1 + 0.34) with boxxyerror \
       fillstyle transparent solid 0.22 border rgb palette[1] linecolor rgb palette[1] linewidth 1.4 dashtype 2, \
     data using ($8 == 0 ? $2 : NaN):1:3:4 with xerrorbars pointtype 0 linewidth 1.6 linecolor rgb ink, \
     data using ($5 <= x_max ? $5 : NaN):($1 - 0.5):(0):(1) with vectors nohead linewidth 2 linecolor rgb soft
unset output
