// A pad of as many cells as an image has pixels. A cell holds a shade from 0 (paper) to 1 (ink), or -1: not known.
const canvas = element.querySelector('canvas')
const context = canvas.getContext('2d')
const { rows, columns, start, shades } = props
const cell = Math.max(4, Math.round(448 / Math.max(rows, columns)))
const radius = Math.max(0.6, Math.max(rows, columns) / 25)
let cells = [...props.value], tool = 'ink', last = null

canvas.width = columns * cell
canvas.height = rows * cell

function draw() {
    cells.forEach((shade, index) => {
        const left = (index % columns) * cell, top = Math.floor(index / columns) * cell
        const level = Math.round(255 * Math.max(shade, 0))
        context.fillStyle = shade < 0 ? '#5b6b8c' : `rgb(${level}, ${level}, ${level})`
        context.fillRect(left, top, cell, cell)
        if (shade < 0) {
            context.fillStyle = '#7586a8'
            context.fillRect(left + cell * 0.4, top + cell * 0.4, cell * 0.2, cell * 0.2)
        }
    })
}

function paint(x, y) {
    cells = cells.map((shade, index) => {
        const distance = Math.hypot(index % columns + 0.5 - x, Math.floor(index / columns) + 0.5 - y)
        const cover = Math.min(1, radius + 0.5 - distance)
        if (cover < 0.25) return shade
        if (tool !== 'ink') return tool === 'paper' ? 0 : -1
        return Math.max(shade, Math.round(cover * (shades - 1)) / (shades - 1))
    })
}

// From the place of the pointer to cells; a stroke goes through all that lies between two places.
function stroke(event) {
    const box = canvas.getBoundingClientRect()
    const to = [(event.clientX - box.left) / box.width * columns, (event.clientY - box.top) / box.height * rows]
    const from = last ?? to
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])))
    for (let step = 1; step <= steps; step++) {
        paint(from[0] + (to[0] - from[0]) * step / steps, from[1] + (to[1] - from[1]) * step / steps)
    }
    last = to
    draw()
}

function finish() {
    last = null
    props.value = [...cells]
    trigger('change')
}

function fill(value) {
    cells = value.map(Number)
    draw()
    finish()
}

canvas.addEventListener('pointerdown', event => {
    canvas.setPointerCapture(event.pointerId)
    stroke(event)
})
canvas.addEventListener('pointermove', event => last && stroke(event))
canvas.addEventListener('pointerup', () => last && finish())
canvas.addEventListener('pointercancel', () => last && finish())

const tools = [...element.querySelectorAll('[data-tool]')]
tools.forEach(button => button.addEventListener('click', () => {
    tool = button.dataset.tool
    tools.forEach(other => other.setAttribute('aria-pressed', other === button))
}))
element.querySelector('[data-action=clear]').addEventListener('click', () => fill(start))
element.querySelector('[data-action=forget]')?.addEventListener('click', () => fill(cells.map(() => -1)))

// What Python puts on the pad.
watch('value', () => {
    cells = props.value.map(Number)
    draw()
})
draw()
