# SPDX-License-Identifier: MIT
# Terminal, colours and frame of every plot. In: theme, picture, width, height (pixels), plot_title, plot_subtitle.
reset
if (theme eq 'dark') {
  paper = '#161b22'; ink = '#d8dee6'; soft = '#9aa4b0'; faint = '#2c333c'
} else {
  paper = '#ffffff'; ink = '#1f2328'; soft = '#59636e'; faint = '#e3e6ea'
}
# The palette of Okabe and Ito without its yellow, which is too light on white; 0 is for bounds. Lightened for dark.
array palette[8]
if (theme eq 'dark') {
  palette[1] = '#4aa3e0'; palette[2] = '#f0ad2e'; palette[3] = '#2fc497'; palette[4] = '#f0794a'
  palette[5] = '#df93bd'; palette[6] = '#7cc8f2'; palette[7] = '#b7a5f0'; palette[8] = '#c89b7b'
} else {
  palette[1] = '#0072b2'; palette[2] = '#e69f00'; palette[3] = '#009e73'; palette[4] = '#d55e00'
  palette[5] = '#cc79a7'; palette[6] = '#56b4e9'; palette[7] = '#6a51a3'; palette[8] = '#7b4a2d'
}
colour(i) = i == 0 ? soft : palette[(i - 1) % 8 + 1]
array shape_filled[6] = [7, 5, 9, 11, 13, 15]
array shape_open[6] = [6, 4, 8, 10, 12, 14]
shape(i, open) = open ? shape_open[(i + 5) % 6 + 1] : shape_filled[(i + 5) % 6 + 1]

if (strlen(picture) > 4 && picture[strlen(picture) - 3:*] eq '.png') {
  set terminal pngcairo noenhanced size 1.5 * width, 1.5 * height font 'DejaVu Sans,10' fontscale 1.5 linewidth 1.5 \
    pointscale 2.3 dashlength 0.6 background rgb paper
  title_font = ',11.5'
} else {
  set terminal svg noenhanced size width, height dynamic font 'DejaVu Sans,13' background rgb paper
  title_font = ',15'
}
set output picture
set encoding utf8
set border 3 linecolor rgb soft linewidth 1
set tics nomirror out scale 0.6 textcolor rgb ink
set grid y linecolor rgb faint linewidth 1 linetype 1
set xlabel textcolor rgb ink offset 0, 0.3
set ylabel textcolor rgb ink offset 0.6, 0
set key off
set bars 0.6
set lmargin at screen 76.0 / width
set tmargin at screen 1.0 - 76.0 / height
set bmargin at screen 62.0 / height
set label 1001 plot_title at screen 0.018, screen 1.0 - 20.0 / height left font title_font textcolor rgb ink
set label 1002 plot_subtitle at screen 0.018, screen 1.0 - 42.0 / height left textcolor rgb soft
